//go:build race

package transform

// raceDetector: pools lose what they are given at random, so that allocations are not counted.
const raceDetector = true
