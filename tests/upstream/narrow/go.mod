module scaletwin/upstream/narrow

go 1.26
