// Package deadletters is what is done with the letters of a destination: the store
// of them with what is settled ([Open]), listing, showing, dropping, redriving, and
// which identities are parked because of one ([Parking]).
package deadletters
