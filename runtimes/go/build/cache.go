package main

import (
	"os"
	"path/filepath"
)

// standardCache is where the compiled standard library is.
func standardCache() string { return os.Getenv("GOCACHE") }

// joinCaches makes a cache that has what the others have, by links: what the compiler adds stays in it alone, and a
// cache that may only be read is of use all the same.
func joinCaches(to string, caches ...string) error {
	if err := os.MkdirAll(to, 0o777); err != nil {
		return err
	}
	for _, cache := range caches {
		if cache == "" {
			continue
		}
		folders, err := os.ReadDir(cache)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return err
		}
		for _, folder := range folders {
			if !folder.IsDir() || len(folder.Name()) != 2 {
				continue
			}
			if err := linkAll(filepath.Join(cache, folder.Name()), filepath.Join(to, folder.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func linkAll(from, to string) error {
	if err := os.MkdirAll(to, 0o777); err != nil {
		return err
	}
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, file := range files {
		err := os.Symlink(filepath.Join(from, file.Name()), filepath.Join(to, file.Name()))
		if err != nil && !os.IsExist(err) {
			return err
		}
	}
	return nil
}
