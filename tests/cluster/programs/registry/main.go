// An image registry for the test cluster: images.sh pushes to it and each node pulls what it lacks, so that
// after a change of code only the changed layer travels. Images are forgotten when it ends.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

const blobs = "/blobs"

func main() {
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr:              ":5000",
		ReadHeaderTimeout: 10 * time.Second,
		Handler: registry.New(
			registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)),
			registry.Logger(log.New(io.Discard, "", 0)),
		),
	}
	log.Fatal(server.ListenAndServe())
}
