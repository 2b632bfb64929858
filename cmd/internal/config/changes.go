package config

import (
	"reflect"
	"slices"
	"strings"
)

// NeedRestart names the keys that differ and are not of the rules: connections,
// groups and lanes are made from them at the start.
func NeedRestart(old, now *Config) Problems {
	var problems Problems
	differences(reflect.ValueOf(*old), reflect.ValueOf(*now), "", func(path string) {
		if block, _, _ := strings.Cut(path, "."); block == "activation" || block == "governance" {
			return
		}
		if old.origin.lines[path] == 0 && now.origin.lines[path] == 0 {
			return // a default that follows another key
		}
		problems = append(problems, now.Problem(path, "has changed; that needs a restart. Without one, only activation and governance can change"))
	})
	return problems
}

// OtherThanRules names the keys that differ and are not of the rules, of configurations
// that were made of documents.
func OtherThanRules(old, now *Config) []string {
	return slices.DeleteFunc(Differences(old, now), func(path string) bool {
		block, _, _ := strings.Cut(path, ".")
		return slices.Contains([]string{"activation", "governance", "description", "server"}, block)
	})
}

// Differences names the keys that differ, of configurations that were made of documents,
// with all defaults filled in. Of secrets it compares what they are now.
func Differences(old, now *Config) []string {
	var keys []string
	differences(reflect.ValueOf(*old), reflect.ValueOf(*now), "", func(path string) { keys = append(keys, path) })
	return keys
}

// Untaken names the keys that a file sets and that a configuration, made of what it says,
// has otherwise.
func Untaken(file, made *Config) []string {
	return slices.DeleteFunc(Differences(file, made), func(path string) bool { return file.origin.lines[path] == 0 })
}

// differences calls differs with the path of every key whose values are not the same.
func differences(old, now reflect.Value, path string, differs func(path string)) {
	if old.Kind() == reflect.Pointer && !old.IsNil() && !now.IsNil() {
		old, now = old.Elem(), now.Elem()
	}
	if old.Type() == secretType {
		if !sameSecret(old, now) {
			differs(path)
		}
		return
	}
	if old.Kind() != reflect.Struct {
		empty := (old.Kind() == reflect.Slice || old.Kind() == reflect.Map) && old.Len()+now.Len() == 0 // whether left out or not
		if !empty && !reflect.DeepEqual(old.Interface(), now.Interface()) {
			differs(path)
		}
		return
	}
	for i := range old.NumField() {
		name, options, _ := strings.Cut(old.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case strings.Contains(options, "inline"):
			differences(old.Field(i), now.Field(i), path, differs)
		case name != "" && name != "-":
			differences(old.Field(i), now.Field(i), below(path, name), differs)
		}
	}
}

// sameSecret compares what two secrets are now: one whose file has changed is
// still the same key, and is read again where it is used.
func sameSecret(old, now reflect.Value) bool {
	if old.IsNil() || now.IsNil() {
		return old.IsNil() && now.IsNil()
	}
	before, err := old.Interface().(func() (string, error))()
	if err != nil {
		return false
	}
	after, err := now.Interface().(func() (string, error))()
	return err == nil && before == after
}
