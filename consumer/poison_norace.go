//go:build !race

package consumer

const poison = false
