package flowservice

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"kinesis-destination/cmd/internal/config"
	"kinesis-destination/cmd/internal/control/api"
	"kinesis-destination/cmd/internal/control/documents"
	"kinesis-destination/sink"
)

// probeWait bounds a test: each of its calls has a shorter one of its own.
const probeWait = 20 * time.Second

// probe tests an account, with a stream where one is named.
func (s *Service) probe(ctx context.Context, account *Connection, t TargetParams, plain *authParams) (sink.Report, error) {
	cfg := s.sinkConfig(account, t)
	if plain != nil {
		cfg.Credentials.AccessKeyID, cfg.Credentials.SecretAccessKey = config.Secret(plain.AccessKeyID, ""), config.Secret(plain.SecretKey, "")
	} else if err := s.unseal(account, &cfg.Credentials); err != nil {
		return sink.Report{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	return s.o.Probe(ctx, cfg), nil
}

// validate tests an account that is new or changed, and refuses one that fails.
func (s *Service) validate(a *attempt, c *Connection) error {
	c.Validated, c.State = false, stateEnabled
	if c.Auth.SpecName == AuthRole && c.Auth.RoleARN == "" {
		c.State = stateInitializing
		a.warn("the role is to be made: let it trust the external id (trustPolicy of GET), then PATCH /auth/params/roleArn")
		return nil
	}
	if !a.validate {
		a.warn("the account was not tested; GET /connections/{id}/test does")
		return nil
	}
	c.key = a.key
	report, err := s.probe(a.ctx, c, TargetParams{}, a.plain)
	if err != nil {
		return err
	}
	c.Validated = report.OK()
	return failed(report, "auth.params", "the account")
}

// validateStream tests the stream of a target connection that is new or changed.
func (s *Service) validateStream(a *attempt, account *Connection, t *TargetConnection) error {
	t.Validated = false
	if !a.validate || account.State == stateInitializing {
		a.warn("the stream was not tested; GET /connections/{id}/test does")
		return nil
	}
	account.key = documents.Key(documents.Connections, a.caller.Sandbox, t.BaseConnectionID)
	report, err := s.probe(a.ctx, account, t.Params, nil)
	if err != nil {
		return err
	}
	t.Validated = report.OK()
	return failed(report, "params.stream", "the stream "+t.Params.Stream)
}

// failed is the refusal that a test's report makes; nil where all that is needed works.
func failed(report sink.Report, field, what string) error {
	var problems []api.FieldError
	for _, check := range report.Checks {
		if !check.OK && check.Needed {
			problems = append(problems, api.FieldError{Field: field, Message: check.What + ": " + check.Note})
		}
	}
	if len(problems) == 0 {
		return nil
	}
	refused := api.Invalid(problems)
	refused.Report = report
	return refused.Titled(what + " does not work; ?validate=false takes it untested")
}

// findAccount is an account as it is kept, its secrets sealed.
func (s *Service) findAccount(v documents.Reader, sandbox, id string) (*Connection, error) {
	e, err := find(v, s.connectionKind(), sandbox, id)
	if err != nil {
		return nil, err
	}
	account := &Connection{key: e.Key}
	return account, documents.Decode(e, account)
}

// test answers what works with an account, and with the streams of its target
// connections.
func (s *Service) test(c api.Caller, w http.ResponseWriter, r *http.Request) error {
	v, err := s.view(w, r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	account, err := s.findAccount(v, c.Sandbox, id)
	if err != nil {
		return err
	}
	result := true
	said := []string{}
	reports := []object{}
	switch {
	case account.ConnectionSpec.ID == ProfileSpec:
		said = append(said, "sources are looked at by the data plane")
	case account.State == stateInitializing:
		result = false
		said = append(said, "the role is not known yet: PATCH /auth/params/roleArn")
	default:
		streams, err := streamsOf(v, c.Sandbox, id)
		if err != nil {
			return err
		}
		tests, err := s.probes(r.Context(), account, streams)
		if err != nil {
			return err
		}
		for _, t := range tests {
			if !t.report.OK() {
				result = false
				said = append(said, failed(t.report, t.name, t.name).Error())
			}
			reports = append(reports, object{"name": t.name, "report": t.report})
		}
	}
	return api.Write(w, http.StatusOK, object{"result": result, "message": strings.Join(said, "; "), "reports": reports})
}

// probed is what a test has found.
type probed struct {
	name   string
	report sink.Report
}

// probes tests an account and its streams at once: one after the other, those that do not
// answer would take longer than an answer may.
func (s *Service) probes(ctx context.Context, account *Connection, streams []TargetConnection) ([]probed, error) {
	tests := make([]probed, 1+len(streams))
	var all errgroup.Group
	test := func(i int, name string, t TargetParams) {
		all.Go(func() (err error) {
			tests[i].name = name
			tests[i].report, err = s.probe(ctx, account, t, nil)
			return err
		})
	}
	test(0, "account", TargetParams{})
	for i, t := range streams {
		test(1+i, fmt.Sprintf("targetConnections/%s (stream %s)", t.ID, t.Params.Stream), t.Params)
	}
	return tests, all.Wait()
}

// mostStreams bounds how many streams one test asks.
const mostStreams = 10

func streamsOf(v documents.Reader, sandbox, id string) ([]TargetConnection, error) {
	var list []TargetConnection
	for _, e := range v.List(documents.Prefix(documents.TargetConnections, sandbox)) {
		var t TargetConnection
		if err := documents.Decode(e, &t); err != nil {
			return nil, err
		}
		if t.BaseConnectionID == id && len(list) < mostStreams {
			list = append(list, t)
		}
	}
	return list, nil
}
