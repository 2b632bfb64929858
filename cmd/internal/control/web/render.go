package web

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

// templates are the pages of a language by their names: page NAME is made of
// templates/base.html, the parts (part-*.html) and templates/NAME.html.
type templates map[string]*template.Template

func parseTemplates(files *assets, texts map[string]catalog) (map[string]templates, error) {
	entries, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	all := map[string]templates{}
	for lang, texts := range texts {
		shared, err := template.New("base.html").Funcs(functions(lang, files, texts)).ParseFS(templateFiles, "templates/base.html", "templates/part-*.html")
		if err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		all[lang] = templates{}
		for _, file := range entries {
			name := strings.TrimSuffix(path.Base(file), ".html")
			if name == "base" || strings.HasPrefix(name, "part-") {
				continue
			}
			one, err := shared.Clone()
			if err == nil {
				one, err = one.ParseFS(templateFiles, file)
			}
			if err != nil {
				return nil, fmt.Errorf("templates: %s: %w", name, err)
			}
			all[lang][name] = one
		}
	}
	return all, nil
}

// functions are what templates call.
func functions(lang string, files *assets, texts catalog) template.FuncMap {
	return template.FuncMap{
		"t":       texts.text,
		"n":       texts.count,
		"asset":   files.address,
		"fieldID": fieldID,
		"dict":    dict,
		"list":    func(items ...any) []any { return items },
		"join":    func(items []string) string { return strings.Join(items, ", ") },
		"time":    moment,
		"age":     age,
		"bytes":   func(n int64) string { return size(lang, n) },
		"rough":   func(n, least float64) string { return rough(lang, n, least) },
		"int":     func(n float64) int { return int(n) },
		"number":  func(n any) string { return number(lang, n) },
		"json": func(v any) (string, error) {
			text, err := json.MarshalIndent(v, "", "  ")
			return string(text), err
		},
	}
}

// dict makes a map of names and values, for what a part of a page is about.
func dict(pairs ...any) (map[string]any, error) {
	made := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, errors.New("dict: a name must be a text")
		}
		made[name] = pairs[i+1]
	}
	return made, nil
}

// moment is a time of milliseconds, in UTC; page.js adds the local time on focus.
func moment(milliseconds int64) template.HTML {
	if milliseconds == 0 {
		return "–"
	}
	at := time.UnixMilli(milliseconds).UTC()
	return template.HTML(fmt.Sprintf(`<time datetime="%s" tabindex="0">%s UTC</time>`, at.Format(time.RFC3339), at.Format("2006-01-02 15:04:05"))) //nolint:gosec // it is made of digits
}

// number groups the digits of a whole number as the language does.
func number(lang string, n any) string {
	text := fmt.Sprint(n)
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	separator := ","
	if lang == "es" {
		separator = " " // narrow, not to be broken
		if len(text) < 5 {
			return sign + text // a number of four digits is written in one
		}
	}
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + separator + text[at:]
	}
	return sign + text
}

// rough is an estimate, to the least that it is told by.
func rough(lang string, n, least float64) string {
	digits := 0
	if least < 1 {
		digits = 2
	}
	text := strconv.FormatFloat(max(n, least), 'f', digits, 64)
	if lang == "es" {
		text = strings.ReplaceAll(text, ".", ",")
	}
	if n < least {
		return "< " + text
	}
	return text
}

// size is a number of bytes in the unit that people read it in.
func size(lang string, n int64) string {
	unit := "bytes"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n < 10<<10 {
			break
		}
		n, unit = n>>10, next
	}
	return number(lang, n) + " " + unit
}

// zippers are used again: each takes most of a megabyte.
var zippers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// write answers with a page. It is made as a whole first: one that fails midway is no
// page.
func (p *page) write(status int, name string, v view) error {
	one, ok := p.h.templates[p.lang][name]
	if !ok {
		return fmt.Errorf("there is no template %s", name)
	}
	var text bytes.Buffer
	if err := one.ExecuteTemplate(&text, "base.html", v); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	header := p.w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("Vary", "Accept-Encoding, Accept-Language, Cookie")
	header.Set("Content-Language", p.lang)
	if !takesGzip(p.r) || p.r.Method == http.MethodHead {
		p.w.WriteHeader(status)
		_, _ = p.w.Write(text.Bytes()) // a browser that is gone cannot be told
		return nil
	}
	header.Set("Content-Encoding", "gzip")
	p.w.WriteHeader(status)
	z, _ := zippers.Get().(*gzip.Writer)
	defer zippers.Put(z)
	z.Reset(p.w)
	_, _ = z.Write(text.Bytes())
	_ = z.Close()
	return nil
}
