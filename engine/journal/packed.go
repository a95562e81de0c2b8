package journal

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// packed appends a record's fields to a value, in the order of their numbers, as
// protobuf encodes them deterministically: what a record.proto message of the
// same content is encoded to. Every append writes several of them, and building
// the messages first cost more than all else that it does.
type packed []byte

// Fields that are zero are absent.

func (f packed) number(field protowire.Number, n uint64) packed {
	if n == 0 {
		return f
	}
	return protowire.AppendVarint(protowire.AppendTag(f, field, protowire.VarintType), n)
}

// signed is for int32 and int64, which are encoded alike.
func (f packed) signed(field protowire.Number, n int64) packed { return f.number(field, uint64(n)) }

func (f packed) boolean(field protowire.Number, b bool) packed {
	return f.number(field, protowire.EncodeBool(b))
}

func (f packed) text(field protowire.Number, s string) packed {
	if s == "" {
		return f
	}
	return f.element(field, s)
}

// element is one of a list, which is there also when it is empty.
func (f packed) element(field protowire.Number, s string) packed {
	return protowire.AppendString(protowire.AppendTag(f, field, protowire.BytesType), s)
}

func (f packed) elements(field protowire.Number, list []string) packed {
	for _, s := range list {
		f = f.element(field, s)
	}
	return f
}

func (f packed) bytes(field protowire.Number, b []byte) packed {
	return protowire.AppendBytes(protowire.AppendTag(f, field, protowire.BytesType), b)
}

// open begins a message within the record; close ends it.
func (f packed) open(field protowire.Number) (inner packed, at int) {
	f = protowire.AppendTag(f, field, protowire.BytesType)
	return append(f, 0), len(f)
}

// close puts the length of what was appended since open before it, which takes
// more than the byte that open left when that is long.
func (f packed) close(at int) packed {
	length := len(f) - at - 1
	if length < 1<<7 {
		f[at] = byte(length)
		return f
	}
	var prefix [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(prefix[:], uint64(length))
	f = append(f, prefix[1:n]...)
	copy(f[at+n:], f[at+1:at+1+length])
	copy(f[at:], prefix[:n])
	return f
}
