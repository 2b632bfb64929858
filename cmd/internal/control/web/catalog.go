package web

import (
	"net/http"
	"net/url"
)

type catalogView struct {
	Accounts, Flows, Enabled int
	Held, Refused            int // of those, as processes tell it
	Empty                    bool
}

// count is how many documents of a kind meet conditions.
func (p *page) count(kind string, conditions ...string) (int, error) {
	query := url.Values{"count": {"true"}, "property": conditions}
	var found struct {
		Count int `json:"count"`
	}
	err := p.get(p.ctx(), flowService+"/"+kind+"?"+query.Encode(), &found)
	return found.Count, err
}

// showCatalog shows what can be connected, and how much of it is.
func showCatalog(p *page) error {
	var v catalogView
	var err error
	if v.Accounts, err = p.count("connections", "connectionSpec.id=="+kinesisSpec); err != nil {
		return err
	}
	if v.Flows, err = p.count("flows"); err != nil {
		return err
	}
	if v.Enabled, err = p.count("flows", "state==enabled"); err != nil {
		return err
	}
	if p.h.o.Runs != nil && v.Enabled > 0 {
		if v.Held, err = p.count("flows", lookedFor["held"]); err != nil {
			return err
		}
		if v.Refused, err = p.count("flows", lookedFor["refused"]); err != nil {
			return err
		}
	}
	v.Empty = v.Accounts+v.Flows == 0
	return p.show(http.StatusOK, "catalog", "catalog", "catalog.title", v, nil)
}
