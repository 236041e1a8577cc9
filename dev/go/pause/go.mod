module finetune.dev/dev/pause

go 1.24
