//go:build !race

package web_test

// slack is what a first use and a collection of garbage may cost besides.
const slack = 2
