//go:build !race

package destination

const raceDetector = false
