package web

import (
	"net/http"

	"kinesis-destination/cmd/internal/control/api"
)

// Settings are what the operator set this process up with, without secrets.
type Settings struct {
	Tokens  []TokenInfo
	Sources []SourceInfo
	Store   string // where documents are kept
	Version string
}

// TokenInfo is what is known of a token; not the token itself, which nobody has.
type TokenInfo struct {
	Name        string
	Permissions []string
	Sandboxes   []string // none: all
	CreatedAt   string
}

// SourceInfo is a source that flows may read.
type SourceInfo struct {
	Name, Description, Sandbox string
	Topics                     []string
	Registry                   string
	Segments                   int
}

type settingsView struct {
	Settings
	NeedsToken bool
	Manages    bool
	Processes  []processRow
	NoRuns     bool
	Problem    string
}

type processRow struct {
	Process
	SeenAt int64
}

// showSettings shows tokens, sources and replicas. They are set by flags and files of
// the operator: a page that could change them could be talked into it.
func showSettings(p *page) error {
	if _, err := p.may(api.View); err != nil {
		return err
	}
	v := settingsView{NeedsToken: p.h.o.SignIn, NoRuns: p.h.o.Runs == nil}
	if p.h.o.Settings != nil {
		v.Settings = p.h.o.Settings()
	}
	if _, err := p.may(api.Manage); err == nil {
		v.Manages = true
	} else {
		v.Tokens = nil // who may only look does not learn who else may call
	}
	var sources []SourceInfo
	for _, s := range v.Sources {
		if s.Sandbox == p.sandbox {
			sources = append(sources, s)
		}
	}
	v.Sources = sources
	if !v.NoRuns {
		processes, err := p.h.o.Runs.Processes(p.ctx())
		if err != nil {
			p.h.o.Log.Warn("the processes could not be looked up", "error", err)
			v.Problem = p.t("settings.replicas.away")
		}
		for _, one := range processes {
			row := processRow{Process: one}
			if !one.Seen.IsZero() {
				row.SeenAt = one.Seen.UnixMilli()
			}
			v.Processes = append(v.Processes, row)
		}
	}
	return p.show(http.StatusOK, "settings", "settings", "settings.title", v, nil)
}
