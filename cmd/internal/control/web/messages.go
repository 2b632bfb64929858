package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed messages/*.json
var messageFiles embed.FS

// languages are those that there is a catalogue of; the first is the default.
var languages = []string{"en", "es"}

// catalog is the texts of a language by their keys. {0}, {1} … stand for what a text
// is about.
type catalog map[string]string

// loadCatalogs reads all catalogues.
func loadCatalogs() (map[string]catalog, error) {
	all := map[string]catalog{}
	for _, lang := range languages {
		files, err := fs.Glob(messageFiles, "messages/"+lang+"*.json")
		if err != nil {
			return nil, fmt.Errorf("messages: %w", err)
		}
		one := catalog{}
		for _, file := range files {
			text, err := messageFiles.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("messages: %w", err)
			}
			if err := json.Unmarshal(text, &one); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
		all[lang] = one
	}
	return all, nil
}

func (c catalog) has(key string) bool {
	_, ok := c[key]
	return ok
}

// text is a text, with what it is about. A key that is not there is an error: a page
// with a hole is worse than none, and a test makes every page in every language.
func (c catalog) text(key string, args ...any) (string, error) {
	text, ok := c[key]
	if !ok {
		return "", fmt.Errorf("messages: there is no text %q", key)
	}
	for i, arg := range args {
		text = strings.ReplaceAll(text, fmt.Sprintf("{%d}", i), fmt.Sprint(arg))
	}
	return text, nil
}

// count is a text for a number of things: KEY.one or KEY.other.
func (c catalog) count(key string, n int) (string, error) {
	if n == 1 {
		return c.text(key+".one", n)
	}
	return c.text(key+".other", n)
}

// language is the one that was chosen, or else the first of the browser's that there
// is a catalogue of.
func language(r *http.Request) string {
	chosen := cookie(r, languageCookie)
	for _, lang := range languages {
		if lang == chosen {
			return lang
		}
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		tag, _, _ := strings.Cut(part, ";")
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		for _, lang := range languages {
			if lang == primary {
				return lang
			}
		}
	}
	return languages[0]
}

// setLanguage keeps the choice of a language.
func setLanguage(p *page) error {
	values, err := p.form()
	if err != nil {
		return err
	}
	const year = 365 * 24 * 3600
	for _, lang := range languages {
		if values.Get("language") == lang {
			p.setCookie(languageCookie, lang, year)
		}
	}
	p.redirect(p.back(values.Get("back")))
	return nil
}
