//go:build debian

package main

// Debian's grpc package encodes by an older protobuf than Debian's generator generates for. With
// modules nothing of this is needed, and nothing of this is built.

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/proto"
)

type codec struct{}

func (codec) Name() string { return "proto" }
func (codec) Marshal(message interface{}) ([]byte, error) {
	return proto.Marshal(message.(proto.Message))
}
func (codec) Unmarshal(bytes []byte, message interface{}) error {
	return proto.Unmarshal(bytes, message.(proto.Message))
}

func init() { encoding.RegisterCodec(codec{}) }
