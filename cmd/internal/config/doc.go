// Package config is a destination's file: its keys and their defaults, how it is
// read and watched, what a reload may change, and which destinations can run beside
// each other. Every mistake is a [Problem] with file, line and key. Each block of
// [Config] belongs to the package that works by it, and is validated there.
package config
