//go:build !release

package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"kinesis-destination/cmd/internal/company"
	"kinesis-destination/cmd/internal/leads"
	"kinesis-destination/cmd/internal/memory"
	"kinesis-destination/schemas/backoff"
	"kinesis-destination/sink/embeddedkinesis"
)

// What a company that is kept costs, however long: its events come slowly, and the
// embedded servers let go of what is old.
const (
	demoEvery    = time.Second
	demoWebsite  = 4       // events each time
	demoShopping = 2       // likewise, of the web shop
	demoPeople   = 500     // of each source
	demoKept     = 4 << 20 // bytes of a partition
	demoRecords  = 5000    // of a shard, or twice as many
	demoSweep    = time.Minute
	// demoServers is what the embedded servers may take beside the flows: 12 partitions of
	// events, those of dead letters, 8 shards.
	demoServers = 160 << 20
	demoReady   = 20 * time.Second // until the pages answer
)

// company runs a control plane with its flows, and goes on making events up, until ctx
// ends.
func (d *demo) company(ctx context.Context) error {
	for _, name := range []string{company.SalesStream, company.ShopStream, company.AgencyStream} {
		d.kinesis.Create(embeddedkinesis.Stream{Name: name, Shards: 2})
	}
	d.kinesis.Keep(demoRecords)
	o, err := d.plane()
	if err != nil {
		return err
	}
	list, keys, err := o.read()
	if err != nil {
		return err
	}
	whole := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- o.serve(ctx, list, keys, d.log) }()
	failed := d.live(ctx, o, ended)
	if whole.Err() != nil {
		failed = nil // that is how it ends
		fmt.Fprintln(d.out, "Stopping: what is under way has a few seconds to come to rest.")
	}
	cancel()
	return errors.Join(failed, <-ended)
}

// plane is the control plane of the company, as the flags of serve would have it.
func (d *demo) plane() (*serveOptions, error) {
	o := &serveOptions{run: true}
	o.store, o.endpoints = filepath.Join(d.folder, "control"), []string{"http://" + d.endpoint}
	o.follow.size = d.ram.size
	if o.follow.size == "" {
		o.follow.size = memory.Text(memory.FindLimits().Usual())
	}
	var err error
	if o.listen, err = freeAddress(); err != nil {
		return nil, err
	}
	if o.follow.admin, err = freeAddress(); err != nil {
		return nil, err
	}
	for name, text := range company.Sources(d.kafka.ListenAddrs(), "http://"+d.registry, demoTopic, demoShop) {
		file := filepath.Join(d.folder, name+".yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("write a source: %w", err)
		}
		o.sources = append(o.sources, file)
	}
	keys := filepath.Join(d.folder, "keys")
	o.sealKeys = []string{keys}
	// What is sealed with it is the word demo, and gone with the folder.
	if err := os.WriteFile(keys, []byte("demo "+base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("write a key: %w", err)
	}
	return o, nil
}

// live makes the company's flows and has things happen, until ctx or the control plane
// ends.
func (d *demo) live(ctx context.Context, o *serveOptions, ended chan error) error {
	var dialer net.Dialer
	for limit := time.Now().Add(demoReady); ; {
		conn, err := dialer.DialContext(ctx, "tcp", o.listen)
		if err == nil {
			_ = conn.Close() // it was only tried
			break
		}
		if time.Now().After(limit) {
			return fmt.Errorf("the pages do not answer within %s: %w", demoReady, err)
		}
		select {
		case failed := <-ended:
			ended <- nil
			return failed
		default:
		}
		if err := backoff.Sleep(ctx, demoEvery/20); err != nil {
			return err
		}
	}
	before := debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(before + demoServers) // serve sets it back
	plane := &company.Plane{URL: "http://" + o.listen}
	flows, err := plane.Make(ctx)
	if err != nil {
		return fmt.Errorf("make the flows of the company: %w", err)
	}
	d.kinesis.Delete(company.AgencyStream)
	files := map[string]string{}
	for _, f := range flows {
		text, err := plane.File(ctx, f.ID)
		if err != nil {
			return err
		}
		files[f.Stream] = filepath.Join(d.folder, f.Stream+".yaml")
		if err := os.WriteFile(files[f.Stream], []byte(runnable(text, o.follow.admin)), 0o600); err != nil {
			return fmt.Errorf("write a flow's configuration: %w", err)
		}
	}
	d.printCompany(o, flows, files)
	return d.goOn(ctx, ended)
}

// runnable is an exported file with what it leaves out: credentials, and where its
// process listens.
func runnable(text, admin string) string {
	text = strings.NewReplacer("${KINESIS_ACCESS_KEY_ID}", "demo", "${KINESIS_SECRET_ACCESS_KEY}", "demo").Replace(text)
	return text + fmt.Sprintf("server: {listen: %q}\n", admin)
}

// goOn writes a few events a second.
func (d *demo) goOn(ctx context.Context, ended chan error) error {
	website, err := leads.New(d.seed+1, demoPeople)
	if err != nil {
		return err
	}
	shop, err := leads.New(d.seed+2, demoPeople)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(d.seed, 3))
	tick := time.NewTicker(demoEvery)
	defer tick.Stop()
	sweep := time.NewTicker(demoSweep)
	defer sweep.Stop()
	for {
		var visits, orders []kafka.Message
		for range demoWebsite {
			event, err := website.Next()
			if err != nil {
				return err
			}
			visits = append(visits, d.spoil(random.IntN(50), event))
		}
		for range demoShopping {
			event, err := shop.Next()
			if err != nil {
				return err
			}
			orders = append(orders, d.message(event.Key, d.schemaID, event.Body))
		}
		if err := errors.Join(d.write(ctx, demoTopic, visits), d.write(ctx, demoShop, orders)); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case failed := <-ended:
			ended <- nil
			return failed
		case <-sweep.C:
			d.kafka.ApplyRetention()
		case <-tick.C:
		}
	}
}

// printCompany says where the pages are, and what to try.
func (d *demo) printCompany(o *serveOptions, flows []company.Flow, files map[string]string) {
	program, err := os.Executable()
	if err != nil {
		program = "kinesis-destination"
	}
	sales, shop, agency := flows[0], flows[1], flows[2]
	at := "http://" + o.listen
	fmt.Fprintf(d.out, `
A company is at

  %[1]s/

%[2]q runs and has dead letters, %[3]q runs, and %[4]q is held, as its stream was deleted.
%[5]d events a second go on. Stop it with Ctrl-C. To try in another terminal:

  %[6]s lag -c %[7]s -c %[8]s
  %[6]s dead-letters list -c %[7]s
  %[6]s explain -c %[7]s --topic %[9]s --partition 0 --offset 0
  %[6]s verify -c %[7]s --from 10m
  curl -sS %[1]s/data/foundation/flowservice/flows/%[10]s
  curl -sS '%[1]s/data/foundation/flowservice/runs?property=flowId==%[10]s'

This gives %[4]q its stream, and it goes on:

  curl -sS --aws-sigv4 aws:amz:us-east-1:kinesis --user demo:demo http://%[11]s -H 'X-Amz-Target: Kinesis_20131202.CreateStream' -H 'Content-Type: application/x-amz-json-1.1' -d '{"StreamName": "%[12]s", "ShardCount": 1}'

Kafka %[13]s, topics %[9]s and %[14]s; schema registry http://%[15]s; Kinesis http://%[11]s, region us-east-1, any access key; /metrics /readyz /status http://%[16]s

`, at, sales.Name, shop.Name, agency.Name, demoWebsite+demoShopping, program, files[sales.Stream], files[agency.Stream], demoTopic, sales.ID,
		d.endpoint, company.AgencyStream, d.kafka.ListenAddrs()[0], demoShop, d.registry, o.follow.admin)
}
