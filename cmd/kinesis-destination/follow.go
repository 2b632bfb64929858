package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/flowservice"
	"kinesis-destination/cmd/internal/control/follow"
	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/cmd/internal/control/status"
	"kinesis-destination/cmd/internal/destination"
	"kinesis-destination/cmd/internal/memory"
	"kinesis-destination/consumer"
)

// followOptions are the flags of a process that runs the flows of a control plane.
type followOptions struct {
	admin, size, profiling string
	access                 config.Server
	tokenFile              string
	most                   int
}

// adminAlone is where serve without --run has its admin endpoints: beside a run on the
// same machine.
const adminAlone = "127.0.0.1:8081"

func (o *followOptions) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.admin, "admin", "127.0.0.1:8080", "address of /metrics, /healthz, /readyz and /status; of serve without --run: "+adminAlone+" unless it is given")
	f.StringVar(&o.access.TLS.CertFile, "admin-tls-cert", "", "certificate of the admin endpoints, PEM; with --admin-tls-key")
	f.StringVar(&o.access.TLS.KeyFile, "admin-tls-key", "", "its key")
	f.StringVar(&o.tokenFile, "admin-token-file", "", "file with the bearer token for /status and /metrics, or sha256: and its hash")
	f.IntVar(&o.most, "flows", 0, fmt.Sprintf("where flows run: how many at most (default %d, or as many as --memory has room for)", follow.MostFlows))
	if f.Lookup("memory") == nil {
		f.StringVar(&o.size, "memory", "", fmt.Sprintf("where flows run: what the whole process may take, resident (default %s, or three quarters of the container's limit if that is less)", memory.Text(memory.DefaultOf(follow.MostFlows))))
	}
}

// flowRoom is the memory of a process that runs flows, and for how many.
type flowRoom struct {
	budgets *memory.Budgets
	most    int
	before  int64 // Go's limit
}

func (r *flowRoom) end() { debug.SetMemoryLimit(r.before) }

// check judges the admin endpoints.
func (o *followOptions) check() error {
	if !config.CanListen(o.admin) {
		return usageError{errors.New("--admin " + config.MustListen + config.DefaultListen)}
	}
	if o.tokenFile != "" {
		o.access.Token = config.Secret("", o.tokenFile)
	}
	o.access.Listen = o.admin
	if err := o.access.Check("--admin: "); err != nil {
		return usageError{err}
	}
	return nil
}

// room finds how many flows have room in how much memory.
func (o *followOptions) room() (*flowRoom, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.most < 0 {
		return nil, usageError{errors.New("--flows must be a number of flows, such as 100")}
	}
	limits := memory.FindLimits()
	process, from := limits.UsualOf(max(o.most, follow.MostFlows)), ""
	if o.size != "" {
		var err error
		if process, err = memory.ParseSize(o.size); err != nil {
			return nil, usageError{fmt.Errorf("--memory %w", err)}
		}
		from = "--memory: "
	}
	most := o.most
	if most == 0 {
		most = max(1, min(follow.MostFlows, memory.Fit(process, limits.Collector)))
	}
	shares, err := memory.Divide(process, limits.Collector, most)
	if err != nil {
		if limits.Collector < math.MaxInt64 {
			from = "GOMEMLIMIT or --memory: "
		}
		return nil, usageError{fmt.Errorf("%s%w for %d flows", from, err, most)}
	}
	return &flowRoom{shares.Budgets(), most, debug.SetMemoryLimit(shares.Collector)}, nil
}

// run runs the flows that the documents want, until ctx ends.
func (o *followOptions) run(ctx context.Context, store *journal.Store, flows *flowservice.Service, board *status.Board, list sources.List, room *flowRoom, log *slog.Logger, more ...prometheus.Collector) error {
	tracing, stopTracing, err := tracer(ctx, log)
	if err != nil {
		return err
	}
	defer stopTracing()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	followed := server.Followed{Journal: store}
	options := o.admitted(store, board, log, more...)
	options.Tracing, options.Trouble, options.Reporter = tracing, followed.Trouble, follow.Teller{To: board}
	fleet := destination.NewFleet(options)
	follower := follow.New(follow.Options{
		Log: log, Store: followed, Sandboxes: list.Sandboxes(), Config: flows.Config, Share: room.budgets.Give, Most: room.most,
	})
	log.Info("flows of the control plane are run here", "most", room.most)
	wanted := make(chan map[string]destination.Wanted)
	var following sync.WaitGroup
	following.Go(func() { follower.Run(ctx, wanted) })
	err = fleet.Run(ctx, o.admin, wanted)
	cancel()
	following.Wait()
	return err
}

// admitted are the options of the admin endpoints of a process that has the journal.
func (o *followOptions) admitted(store *journal.Store, board *status.Board, log *slog.Logger, more ...prometheus.Collector) destination.Options {
	v, commit, _ := buildInfo()
	return destination.Options{
		Logger: log, Version: v, Commit: commit, Profiling: o.profiling, Admin: o.access,
		Collectors: append(more, server.Metrics{Journal: store.Status, Documents: server.Followed{Journal: store}.Documents, Board: board}),
	}
}

// watched shows the admin endpoints of a process that runs no flows, until ctx ends.
func (o *followOptions) watched(ctx context.Context, store *journal.Store, board *status.Board, log *slog.Logger, more ...prometheus.Collector) error {
	return destination.NewFleet(o.admitted(store, board, log, more...)).Serve(ctx, o.admin)
}

// runFollowing is run --follow: the flows of a control plane that other processes serve.
func runFollowing(ctx context.Context, plane *planeOptions, o *followOptions, log *slog.Logger) error {
	switch {
	case !plane.kept():
		return usageError{errNoJournal}
	case !consumer.AreBrokers(plane.brokers):
		return usageError{errBrokers}
	case len(plane.sources) == 0:
		return usageError{errNoSource}
	}
	list, keys, err := plane.read()
	if err != nil {
		return err
	}
	room, err := o.room()
	if err != nil {
		return err
	}
	defer room.end()
	board, err := plane.board(ctx, list, log)
	if err != nil {
		return err
	}
	defer closeBoard(board, log)
	store, err := plane.await(ctx, list, board.Store(), log)
	if err != nil {
		if ctx.Err() != nil {
			return nil // it was ended while it waited
		}
		return err
	}
	defer func() {
		if err := store.Close(); err != nil {
			log.Warn("the journal did not close in order", "error", err)
		}
	}()
	begin(board, store)
	documents, err := server.New(server.Options{
		Log: log, Store: server.Journal(store), Sealer: server.Sealer{Ring: keys}, Sources: list, OwnTopics: plane.ownTopics(), Endpoints: plane.endpoints, AllowDefaultChain: plane.defaultChain,
	})
	if err != nil {
		return err
	}
	defer documents.Close()
	return o.run(ctx, store, documents.Flows, board, list, room, log)
}
