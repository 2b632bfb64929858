// Package memory turns the one number that a process may take, resident, into the
// budgets of everything in it that grows with its load, and the collector's limit.
package memory
