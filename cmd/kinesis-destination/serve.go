package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/netutil"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/journal"
	"kinesis-destination/cmd/internal/control/seal"
	"kinesis-destination/cmd/internal/control/server"
	"kinesis-destination/cmd/internal/control/sources"
	"kinesis-destination/consumer"
)

// serveOptions are the flags of serve.
type serveOptions struct {
	planeOptions
	listen          string
	tokens, oidc    string
	tlsCert, tlsKey string
	hosts           []string
	identity        string
	run             bool
	follow          followOptions
	logFormat       string
	logLevel        string
}

func serveCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve --listen ADDR (--store DIR | --brokers LIST) --source FILE",
		Short: "Serve the control-plane API and its pages",
		Long: `Serves the API by which destinations are connected, set up, activated and paused:
the flow service under /data/foundation/flowservice, the policy service under
/data/foundation/dulepolicy, and their description at /openapi.yaml. Everything else
is pages for a browser, which do the same.

Documents are kept in a journal: a topic of Kafka (--brokers), which several
processes share, or a folder (--store), which one process has. Brokers that a source
names, too, are reached with its tls and sasl. Credentials are
sealed with the keys of --seal-keys, or of the environment variable
` + controlKeys + `; each line is ID KEY, the key 32 random bytes in base64.

Flows read the sources of --source and no address that a caller gives; the first
one is what empty params of a source connection mean.

With --run this process also runs the flows: each as it is made, changed, paused and
deleted, within two seconds; see 'run' for processes that do that alone.

--admin has the metrics of the control plane, and of flows that run here; who scrapes
them from another machine needs an address that is no loopback one.

On a loopback address nobody has to show a token. Any other needs --tls-cert,
--tls-key and --token-file ('kinesis-destination token create' makes a token), or
--oidc: a file of issuer, audience, and claims that say who may do what.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !o.run && !cmd.Flags().Changed("admin") {
				o.follow.admin = adminAlone
			}
			return serve(cmd, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8090", "address of the API")
	o.bind(cmd)
	f.StringVar(&o.tokens, "token-file", "", "file of tokens; given, every call needs one")
	f.StringVar(&o.oidc, "oidc", "", "file of an OpenID Connect issuer whose tokens are taken, too; given, every call needs one")
	f.StringVar(&o.tlsCert, "tls-cert", "", "certificate of the API, with its chain")
	f.StringVar(&o.tlsKey, "tls-key", "", "key of the certificate")
	f.StringArrayVar(&o.hosts, "host", nil, "name under which the API is called, besides those of the certificate; may be repeated")
	f.StringVar(&o.identity, "aws-identity", "", "ARN that roles of connections have to trust")
	f.BoolVar(&o.run, "run", false, "run the flows in this process, too")
	o.follow.bind(cmd)
	f.StringVar(&o.logFormat, "log-format", "text", "text or json")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	return cmd
}

// check refuses flags that do not go together.
func (o *serveOptions) check() error {
	host, _, _ := net.SplitHostPort(o.listen)
	ip := net.ParseIP(host)
	loopback := host == "localhost" || ip != nil && ip.IsLoopback()
	switch {
	case !config.CanListen(o.listen):
		return usageError{errors.New("--listen " + config.MustListen + "127.0.0.1:8090")}
	case !o.kept():
		return usageError{errNoJournal}
	case !consumer.AreBrokers(o.brokers):
		return usageError{errBrokers}
	case len(o.sources) == 0:
		return usageError{errNoSource}
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return usageError{errors.New("--tls-cert and --tls-key go together")}
	case !loopback && (o.tlsCert == "" || o.tokens == "" && o.oidc == ""):
		return usageError{errors.New("--listen is no loopback address: it needs --tls-cert, --tls-key and --token-file or --oidc, or everyone on the way reads credentials and everyone else may call")}
	}
	return nil
}

func serve(cmd *cobra.Command, o serveOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	log, err := logger(cmd.ErrOrStderr(), o.logFormat, o.logLevel)
	if err != nil {
		return err
	}
	slog.SetDefault(log)
	list, keys, err := o.read()
	if err != nil {
		return err
	}
	return o.serve(cmd.Context(), list, keys, log)
}

// serve serves the control plane of sources and keys, until ctx ends.
func (o *serveOptions) serve(ctx context.Context, list sources.List, keys *seal.Ring, log *slog.Logger) error {
	options := server.Options{
		Log: log, Sealer: server.Sealer{Ring: keys}, Sources: list, OwnTopics: o.ownTopics(), Endpoints: o.endpoints, Identity: o.identity, AllowDefaultChain: o.defaultChain,
	}
	if err := o.callers(&options); err != nil {
		return usageError{err}
	}
	certificate, err := o.certificate()
	if err != nil {
		return err
	}
	options.Hosts = o.knows(certificate)
	if err := o.follow.check(); err != nil {
		return err
	}
	var room *flowRoom
	if o.run {
		if room, err = o.follow.room(); err != nil {
			return err
		}
		defer room.end()
		options.Share = room.budgets.Give
	}
	board, err := o.board(ctx, list, log)
	if err != nil {
		return err
	}
	defer closeBoard(board, log)
	store, err := o.open(ctx, list, journal.Options{Logger: log, StoreID: board.Store()})
	if err != nil {
		return err
	}
	defer func() {
		if err := store.Close(); err != nil {
			log.Warn("the journal did not close in order", "error", err)
		}
	}()
	begin(board, store)
	options.Store, options.Activity, options.ReadOnly = server.Journal(store), board, func() string { return store.Status().ReadOnly }
	options.KeptIn, options.Operation.Audit = o.keptIn(), server.Audit(store)
	plane, err := server.New(options)
	if err != nil {
		return err
	}
	defer plane.Close()
	if err := plane.Flows.Prepare(ctx, list.Sandboxes()); err != nil {
		log.Warn("the first list may take a second: the documents could not be read before", "error", err)
	}
	return beside(ctx, func(ctx context.Context) error {
		if o.run {
			return o.follow.run(ctx, store, plane.Flows, board, list, room, log, plane)
		}
		return o.follow.watched(ctx, store, board, log, plane)
	}, func(ctx context.Context) error { return listen(ctx, o.listen, certificate, plane, log) })
}

// beside runs two things until ctx ends, or one of them does: without flows, or without
// what tells of them, there is nothing to be served for.
func beside(ctx context.Context, one, other func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	running := make(chan error, 1)
	go func() {
		err := one(ctx)
		cancel()
		running <- err
	}()
	err := other(ctx)
	cancel()
	return errors.Join(<-running, err)
}

// callers reads who may call.
func (o *serveOptions) callers(options *server.Options) (err error) {
	if o.tokens != "" {
		if options.Tokens, err = server.OpenTokens(o.tokens); err != nil {
			return err
		}
	}
	if o.oidc != "" {
		options.OIDC, err = server.OpenOIDC(o.oidc)
	}
	return err
}

func (o *serveOptions) certificate() (*tls.Certificate, error) {
	if o.tlsCert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return nil, usageError{fmt.Errorf("--tls-cert, --tls-key: %w", err)}
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, usageError{fmt.Errorf("--tls-cert: %w", err)}
		}
	}
	return &pair, nil
}

// knows tells the names under which the API may be called.
func (o *serveOptions) knows(certificate *tls.Certificate) func(host string) bool {
	return func(host string) bool {
		return slices.ContainsFunc(o.hosts, func(name string) bool { return strings.EqualFold(name, host) }) ||
			certificate != nil && certificate.Leaf.VerifyHostname(host) == nil
	}
}

// mostConnections bounds what the API's connections take.
const mostConnections = 1000

// listen serves until the context ends; requests under way are answered.
func listen(ctx context.Context, address string, certificate *tls.Certificate, plane *server.Server, log *slog.Logger) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listen on --listen %s: %w", address, err)
	}
	l = netutil.LimitListener(l, mostConnections)
	scheme := "http"
	if certificate != nil {
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
		scheme = "https"
	}
	s := &http.Server{
		Handler: plane, ReadHeaderTimeout: server.HeaderTimeout, ReadTimeout: server.ReadTimeout, WriteTimeout: server.WriteTimeout,
		IdleTimeout: server.IdleTimeout, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("the control plane answers", "address", scheme+"://"+l.Addr().String())
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	var closing sync.WaitGroup
	closing.Go(plane.Close) // live pages would be waited for
	err = s.Shutdown(end)
	closing.Wait()
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		log.Warn("the control plane ended by itself", "error", ended)
	}
	if err != nil {
		log.Warn("some requests were cut off", "error", err)
	}
	return nil
}

// shutdownTime is how long requests under way may go on.
const shutdownTime = 10 * time.Second
