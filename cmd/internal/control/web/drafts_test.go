package web

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestDraftsAreBoundedAndHoldNoSecret(t *testing.T) {
	d := &drafts{}
	now := time.Now()
	key := func(i int) draftKey { return draftKey{"anna", "prod", fmt.Sprint(i)} }
	for i := range 3000 {
		d.keep(key(i), url.Values{"paste": {strings.Repeat("x", 20<<10)}, "auth.params.secretKey": {"hush"}}, now.Add(time.Duration(i)*time.Second))
	}
	if d.bytes > allDrafts || len(d.all) > mostDrafts || len(d.all) < 700 {
		t.Errorf("%d drafts of %d bytes", len(d.all), d.bytes)
	}
	last := d.find(key(2999), now.Add(3000*time.Second))
	if len(last["paste"]) != 1 || last["auth.params.secretKey"] != nil || d.find(key(0), now) != nil {
		t.Error("another one than the oldest has gone, or a secret was kept")
	}
	d.keep(key(1), url.Values{"paste": {strings.Repeat("x", mostDraft)}}, now)
	if d.find(key(1), now) != nil {
		t.Error("a draft beyond the bound was kept")
	}
	if d.find(key(2999), now.Add(3000*time.Second+draftAge)) != nil {
		t.Error("a draft is older than it may be")
	}
	for k := range d.all {
		d.drop(k)
	}
	if d.bytes != 0 {
		t.Errorf("%d bytes of no drafts", d.bytes)
	}
}

func TestSessionsEndAndAreBounded(t *testing.T) {
	s := &sessions{}
	now := time.Now()
	first := s.begin("token", "anna", now)
	if one := s.find(first, now.Add(sessionIdle-time.Second)); one == nil || one.token != "token" {
		t.Fatal("there is no session")
	}
	if s.find(first, now.Add(2*sessionIdle)) != nil || s.formerly(first) != "anna" {
		t.Error("a session that was left goes on, or nobody knows whose it was")
	}
	for i := range mostSessions + 10 {
		s.begin("token", "b", now.Add(time.Duration(i+1)*time.Second+sessionAge))
	}
	if len(s.all) > mostSessions || s.formerly(first) != "" {
		t.Errorf("%d sessions", len(s.all))
	}
	again := s.begin("token", "c", now)
	s.end(again)
	if s.find(again, now) != nil || s.formerly(again) != "" || s.find("", now) != nil {
		t.Error("a session that was ended is known")
	}
}
