// Certificates writes an authority and the certificates of a server and a client
// into a folder, for the listeners of the contract run's Kafka.
package main

import (
	"fmt"
	"os"

	"kinesis-destination/consumer/embeddedkafka"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: certificates FOLDER")
		os.Exit(2)
	}
	if err := embeddedkafka.WriteCertificates(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "certificates:", err)
		os.Exit(1)
	}
}
