module finetune.dev/dev/registry

go 1.25.0

// A registry of images and charts, that a release is tried against.
tool github.com/google/go-containerregistry/cmd/registry

require github.com/google/go-containerregistry v0.22.1 // indirect
