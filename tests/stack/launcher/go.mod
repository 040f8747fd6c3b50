module scaletwin.dev/stack/launcher

go 1.26
