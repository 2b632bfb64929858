package config

import (
	"reflect"

	"kinesis-destination/schemas/smallfile"
)

// Complete fills in what was left out of a configuration that is made of documents
// and no file, and tells its mistakes. Nothing in it is taken for a reference to the
// environment or a file: who writes documents may not read those of this process.
func (c *Config) Complete() Problems {
	c.defaults()
	var problems Problems
	c.validate(func(path, message string) { problems = append(problems, Problem{Path: path, Message: message}) })
	return problems
}

// Default fills in what was left out of a configuration that is made of documents.
func (c *Config) Default() { c.defaults() }

// ReadLiteral reads the text of a destination's file as it stands: nothing in it is
// taken for a reference, no file is read that it names, nothing is filled in and
// nothing judged but its form. It is for texts of callers, who may not read the
// environment or the files of this process.
func ReadLiteral(text []byte) (Config, Problems) {
	var c Config
	l := loader{lines: map[string]int{}, unread: map[string]bool{}, literal: true}
	if root := l.document(text); root != nil {
		l.read(root, reflect.ValueOf(&c).Elem(), "")
	}
	c.origin.lines = l.lines
	return c, l.problems
}

// ReadBlock reads a file of other keys than a destination's by the same rules into
// to, a pointer to a struct. The error is Problems.
func ReadBlock(file string, to any) error {
	text, err := smallfile.Read(file, MaxConfigBytes)
	if err != nil {
		return Problems{{File: file, Message: "cannot be read: " + bareError(err)}}
	}
	l := loader{file: file, lines: map[string]int{}, unread: map[string]bool{}}
	if root := l.document(text); root != nil {
		l.read(root, reflect.ValueOf(to).Elem(), "")
	}
	if len(l.problems) > 0 {
		return l.problems
	}
	return nil
}
