package main

import "path/filepath"

const procedure = "intervene.v1.LiveChatService/WatchBoard"

// tool is one way for somebody else's program to watch a board.
type tool struct {
	name    string
	command []string
}

// toolsOf are all of them. The first of each program asks the engine for its
// schema (server reflection), which is gRPC over HTTP/2 itself.
func toolsOf(f flags, schema, address, token string) []tool {
	const request = `{"includeMine": true, "window": 20}`
	header := "Authorization: Bearer " + token
	grpcurl := func(name string, how ...string) tool {
		return tool{"grpcurl, " + name, append(append([]string{f.Grpcurl}, how...), "-plaintext", "-H", header, "-d", request, address, procedure)}
	}
	buf := func(name string, how ...string) tool {
		return tool{"buf curl, " + name, append(append([]string{f.Buf, "curl"}, how...), "-H", header, "-d", request, "http://"+address+"/"+procedure)}
	}
	return []tool{
		grpcurl("gRPC over HTTP/2 with reflection"),
		grpcurl("gRPC over HTTP/2", "-import-path", schema, "-import-path", filepath.Join(schema, "../../third_party/proto"), "-proto", "intervene/v1/livechat.proto"),
		buf("Connect over HTTP/2 with reflection", "--http2-prior-knowledge"),
		buf("Connect over HTTP/2", "--http2-prior-knowledge", "--schema", schema),
		buf("Connect over HTTP/1.1", "--schema", schema),
		buf("gRPC over HTTP/2", "--protocol", "grpc", "--schema", schema),
		buf("gRPC-Web over HTTP/2", "--protocol", "grpcweb", "--http2-prior-knowledge", "--schema", schema),
		buf("gRPC-Web over HTTP/1.1", "--protocol", "grpcweb", "--schema", schema),
	}
}
