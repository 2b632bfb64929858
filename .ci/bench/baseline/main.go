// Command baseline is what one writes of the usual parts to carry segment
// evaluations from Kafka to Kinesis: kafka.Reader in a group, goavro,
// encoding/json, the AWS SDK. A goroutine for each partition keeps its order.
//
// It does the benchmark's share of the work and not the rest: after a partial
// failure the records of an identity may change places within one call; a failed
// transformation is counted and passed over, as there are no dead letters; no
// governance, no consent, no holds, no pacing; what kafka.Reader has fetched of a
// partition is still sent after the partition moved to another member.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/segmentio/kafka-go"
)

func main() {
	var s settings
	brokers := flag.String("brokers", "", "Kafka's addresses, separated by commas")
	flag.StringVar(&s.topic, "topic", "", "the topic")
	flag.StringVar(&s.group, "group", "", "the consumer group")
	flag.StringVar(&s.registry, "registry", "", "the schema registry's URL")
	flag.StringVar(&s.endpoint, "endpoint", "", "the stream's URL")
	flag.StringVar(&s.stream, "stream", "", "the stream")
	flag.StringVar(&s.listen, "listen", "", "where /metrics is")
	flag.Parse()
	s.brokers = strings.Split(*brokers, ",")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "baseline:", err)
		os.Exit(1)
	}
}

type settings struct {
	brokers                                          []string
	topic, group, registry, endpoint, stream, listen string
}

func run(ctx context.Context, s settings) error {
	shared, err := config.LoadDefaultConfig(ctx, config.WithRegion("us-east-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("bench", "bench", "")))
	if err != nil {
		return fmt.Errorf("load the AWS configuration: %w", err)
	}
	metrics := newMetrics()
	web := &http.Server{Addr: s.listen, Handler: metrics.handler(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = web.ListenAndServe() }() // ends with Close
	defer func() { _ = web.Close() }()
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: s.brokers, GroupID: s.group, Topic: s.topic, StartOffset: kafka.FirstOffset, IsolationLevel: kafka.ReadCommitted,
		MinBytes: 1, MaxBytes: 1 << 20, MaxWait: 500 * time.Millisecond, QueueCapacity: 1000, CommitInterval: time.Second,
	})
	e := &exporter{
		reader: reader, decoder: &decoder{registry: s.registry}, metrics: metrics, stream: s.stream,
		api: kinesis.NewFromConfig(shared, func(o *kinesis.Options) { o.BaseEndpoint = aws.String(s.endpoint) }),
	}
	err = e.export(ctx)
	if closing := reader.Close(); err == nil {
		err = closing
	}
	return err
}

// export hands each message to the goroutine of its partition.
func (e *exporter) export(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	partitions := map[int]chan kafka.Message{}
	var workers sync.WaitGroup
	defer workers.Wait()
	defer func() {
		for _, queue := range partitions {
			close(queue)
		}
	}()
	for {
		m, err := e.reader.FetchMessage(ctx)
		switch {
		case ctx.Err() != nil:
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		case err != nil:
			return fmt.Errorf("fetch: %w", err)
		}
		queue, ok := partitions[m.Partition]
		if !ok {
			queue = make(chan kafka.Message, most)
			partitions[m.Partition] = queue
			workers.Go(func() {
				if err := e.work(ctx, queue); err != nil {
					cancel(err)
				}
			})
		}
		select {
		case queue <- m:
		case <-ctx.Done():
		}
	}
}

type metrics struct {
	registry *prometheus.Registry
	events   *prometheus.CounterVec
	calls    prometheus.Histogram
	age      prometheus.Histogram
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		events:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "events_total", Help: "Events by outcome."}, []string{"outcome"}),
		calls:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "put_records_seconds", Help: "Time of PutRecords calls."}),
		age:      prometheus.NewHistogram(prometheus.HistogramOpts{Name: "end_to_end_seconds", Help: "From Kafka to the stream."}),
	}
	m.registry.MustRegister(m.events, m.calls, m.age)
	return m
}

func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}
