// Package suggest names what was probably meant by a word that is not known.
package suggest

import (
	"strings"
)

// DidYouMean is a half sentence that names what was probably meant; empty where nothing is near.
func DidYouMean(word string, known []string) string {
	if meant := Near(word, known); meant != "" {
		return " (did you mean " + meant + "?)"
	}
	return ""
}

// Near is what was probably meant by a word: what [Close] finds, else what takes the fewest
// changes, if those are at most half of it.
func Near(word string, known []string) string {
	if meant := Close(word, known); meant != "" {
		return meant
	}
	best, distance := "", len(word)/2+1
	for _, candidate := range known {
		if n := len(candidate) - len(word); n >= distance || -n >= distance {
			continue // so far apart by their lengths alone
		}
		if d := editDistance(word, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}

// shortestPart is how much of a word must be there for the rest to be guessed.
const shortestPart = 3

// Close is the known word that another one surely stands for; empty when there is none. In this order: the same but for
// capitals and punctuation (PLAIN, us-east1); but for one slip of the pen; what begins with it; of a dotted
// path what ends with it.
func Close(word string, known []string) string {
	for _, alike := range []func(word, candidate string) bool{
		func(word, candidate string) bool { return bare(word) == bare(candidate) },
		slip,
		func(word, candidate string) bool {
			return len(word) >= shortestPart && strings.HasPrefix(candidate, word)
		},
		func(word, candidate string) bool {
			return len(word) >= shortestPart && strings.HasSuffix(candidate, "."+word)
		},
	} {
		best := ""
		for _, candidate := range known {
			if alike(strings.ToLower(word), strings.ToLower(candidate)) && (best == "" || nearer(word, candidate, best)) {
				best = candidate
			}
		}
		if best != "" {
			return best
		}
	}
	return ""
}

// nearer tells whether of two words that are alike to another one the first is rather meant: the one that begins as it
// does, for the first letter is seldom wrong, then the shorter one.
func nearer(word, a, b string) bool {
	if begins := word[:min(1, len(word))]; strings.HasPrefix(a, begins) != strings.HasPrefix(b, begins) {
		return strings.HasPrefix(a, begins)
	}
	return len(a) < len(b)
}

var punctuation = strings.NewReplacer("-", "", "_", "", " ", "", ".", "")

func bare(word string) string { return punctuation.Replace(word) }

// slip tells whether a is b, with one letter too many, missing or wrong, or two swapped.
func slip(a, b string) bool {
	for a != "" && b != "" && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for a != "" && b != "" && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return len(a) <= 1 && len(b) <= 1 || len(a) == 2 && len(b) == 2 && a[0] == b[1] && a[1] == b[0]
}

// editDistance counts the insertions, deletions and replacements of bytes between two words.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
