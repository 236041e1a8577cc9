// Kstatus tells how Flux and kpt see objects: it reads a JSON array of them and writes their statuses, in order.
package main

import (
	"encoding/json"
	"log"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	var objects []*unstructured.Unstructured
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		log.Fatal(err)
	}
	found := []status.Status{}
	for place, object := range objects {
		result, err := status.Compute(object)
		if err != nil {
			log.Fatalf("object %d: %v", place, err)
		}
		found = append(found, result.Status)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		log.Fatal(err)
	}
}
