//go:build race

package web_test

// slack is what the race detector costs besides.
const slack = 10
