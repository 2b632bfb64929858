package schemas

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// EncodeJSON writes an event in Avro JSON as the Avro bytes of the schema. Map entries keep the order of the text,
// fields that are left out have their default. A branch of a union is named by the Avro specification ("string",
// "profile.xdm.Person"), without its namespace, or as goavro does it ("long.timestamp-millis"); a value without its branch's name, as tools
// that print plain JSON leave it, is of the first branch that it fits; decimals may be numbers, and
// in quotes are refused where they look like one; days and times may be text. The error is [Mistakes] where the text does not fit
// the schema; they name the place, never a value.
func (s *Schema) EncodeJSON(text []byte) ([]byte, error) {
	root, err := parseJSON(bytes.TrimPrefix(text, byteOrderMark))
	if err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	body, err := encode(nil, s.Root, root, &place{name: "$"})
	if err != nil {
		return nil, Mistakes(nil).with(err)
	}
	return body, nil
}

func encode(dst []byte, t *Type, v *jsonValue, path *place) ([]byte, error) {
	switch t.Kind {
	case Null:
		if v.kind == jsonNull {
			return dst, nil
		}
	case Boolean:
		if v.kind == jsonBool {
			return append(dst, map[bool]byte{true: 1}[v.flag]), nil
		}
	case Int, Long:
		return encodeInteger(dst, t, v, path)
	case Float, Double:
		return encodeFloat(dst, t, v, path)
	case String:
		if v.kind == jsonString {
			return append(appendLong(dst, int64(len(v.text))), v.text...), nil
		}
	case Bytes, Fixed:
		return encodeBytes(dst, t, v, path)
	case Enum:
		if i := slices.Index(t.Symbols, v.text); v.kind == jsonString && i >= 0 {
			return appendLong(dst, int64(i)), nil
		}
	case Array, Map:
		return encodeCollection(dst, t, v, path)
	case Record:
		return encodeRecord(dst, t, v, path)
	case Union:
		return encodeUnion(dst, t, v, path)
	}
	return nil, fmt.Errorf("%s: must be %s", path, t.describe())
}

func (t *Type) describe() string {
	if t.Kind == Enum {
		return "one of " + shown(strings.Join(t.Symbols, ", "))
	}
	if t.Name != "" {
		return fmt.Sprintf("%s %s", t.Kind, shown(t.Name))
	}
	return t.Kind.String()
}

func encodeInteger(dst []byte, t *Type, v *jsonValue, path *place) ([]byte, error) {
	bits := 64
	if t.Kind == Int {
		bits = 32
	}
	if v.kind == jsonString {
		if n, ok := plainTime(t, v.text); ok {
			return appendLong(dst, n), nil
		}
	}
	n, err := strconv.ParseInt(v.text, 10, bits)
	if v.kind != jsonNumber || err != nil {
		return nil, fmt.Errorf("%s: must be %s, a whole number of %d bits%s", path, t.Kind, bits, orText(t))
	}
	return appendLong(dst, n), nil
}

func encodeFloat(dst []byte, t *Type, v *jsonValue, path *place) ([]byte, error) {
	bits := 64
	if t.Kind == Float {
		bits = 32
	}
	named := v.kind == jsonString && (v.text == "NaN" || v.text == "Infinity" || v.text == "-Infinity")
	f, err := strconv.ParseFloat(v.text, bits)
	if !named && (v.kind != jsonNumber || err != nil) {
		return nil, fmt.Errorf("%s: must be %s", path, t.Kind)
	}
	if bits == 32 {
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f))), nil
	}
	return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), nil
}

// encodeBytes takes bytes as Avro JSON has them: a string whose characters are the bytes 0 to 255.
func encodeBytes(dst []byte, t *Type, v *jsonValue, path *place) ([]byte, error) {
	if v.kind == jsonNumber && t.Logical == Decimal {
		return encodeDecimal(dst, t, v, path)
	}
	if v.kind != jsonString {
		return nil, fmt.Errorf("%s: must be %s, written as a string", path, t.describe())
	}
	if !v.preset && meansNumber(t, v.text) {
		return nil, fmt.Errorf("%s: decimals are numbers, such as 12.50 without quotes", path)
	}
	var raw []byte
	for _, r := range v.text {
		if r > math.MaxUint8 {
			return nil, fmt.Errorf("%s: characters of %s stand for one byte each, at most U+00FF", path, t.Kind)
		}
		raw = append(raw, byte(r))
	}
	if t.Kind == Bytes {
		dst = appendLong(dst, int64(len(raw)))
	} else if len(raw) != t.Size {
		return nil, fmt.Errorf("%s: must be %s, %d bytes", path, t.describe(), t.Size)
	}
	return append(dst, raw...), nil
}

func encodeDecimal(dst []byte, t *Type, v *jsonValue, path *place) ([]byte, error) {
	raw, err := plainDecimal(t, v.text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if t.Kind == Bytes {
		return append(appendLong(dst, int64(len(raw))), raw...), nil
	}
	raw, fits := widened(raw, t.Size)
	if !fits {
		return nil, fmt.Errorf("%s: must be a decimal that %d bytes hold", path, t.Size)
	}
	return append(dst, raw...), nil
}

func encodeCollection(dst []byte, t *Type, v *jsonValue, path *place) ([]byte, error) {
	if t.Kind == Array && v.kind != jsonArray || t.Kind == Map && v.kind != jsonObject {
		return nil, fmt.Errorf("%s: must be %s", path, t.Kind)
	}
	if len(v.items) > 0 {
		dst = appendLong(dst, int64(len(v.items)))
	}
	var wrong Mistakes
	for i, item := range v.items {
		at := path.item("", i)
		if t.Kind == Map {
			dst = append(appendLong(dst, int64(len(v.keys[i]))), v.keys[i]...)
			at = path.entry(v.keys[i])
		}
		encoded, err := encode(dst, t.Items, item, at)
		if err != nil {
			if wrong = wrong.with(err); len(wrong) == maxMistakes {
				return nil, wrong
			}
			continue
		}
		dst = encoded
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return appendLong(dst, 0), nil
}

func encodeRecord(dst []byte, t *Type, v *jsonValue, path *place) ([]byte, error) {
	if v.kind != jsonObject {
		return nil, fmt.Errorf("%s: must be %s", path, t.describe())
	}
	var wrong Mistakes
	for i, key := range v.keys {
		if !slices.ContainsFunc(t.Fields, func(f Field) bool { return f.Name == key }) {
			wrong = wrong.with(fmt.Errorf("%s: %s has no field %q%s", path, shown(t.Name), shown(key), t.meant(key)))
		}
		if slices.Contains(v.keys[:i], key) {
			wrong = wrong.with(fmt.Errorf("%s: field %q is there twice", path, shown(key)))
		}
		if len(wrong) == maxMistakes {
			return nil, wrong
		}
	}
	for _, field := range t.Fields {
		at := path.field(field.Name)
		var encoded []byte
		var err error
		switch i := slices.Index(v.keys, field.Name); {
		case i >= 0:
			encoded, err = encode(dst, field.Type, v.items[i], at)
		case field.preset != nil:
			encoded, err = encodePreset(dst, field, at)
		default:
			err = fmt.Errorf("%s: missing, and has no default", at)
		}
		if err != nil {
			if wrong = wrong.with(err); len(wrong) == maxMistakes {
				return nil, wrong
			}
			continue
		}
		dst = encoded
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return dst, nil
}

// encodePreset writes a field's default, which stands without the name of its branch: it is of the union's first.
func encodePreset(dst []byte, field Field, path *place) ([]byte, error) {
	v, err := parseJSON(field.preset)
	if err != nil {
		return nil, fmt.Errorf("%s: default: %w", path, err)
	}
	v.markPreset()
	t := field.Type
	if t.Kind == Union {
		dst, t = appendLong(dst, 0), t.Union[0]
	}
	return encode(dst, t, v, path)
}

func encodeUnion(dst []byte, t *Type, v *jsonValue, path *place) ([]byte, error) {
	if v.kind == jsonObject && len(v.keys) == 1 {
		if i := t.branchCalled(v.keys[0]); i >= 0 {
			return encode(appendLong(dst, int64(i)), t.Union[i], v.items[0], path)
		}
	}
	var tried Mistakes
	for _, late := range []bool{false, true} {
		for i, branch := range t.Union {
			if unusual(branch, v) != late {
				continue
			}
			encoded, err := encode(appendLong(dst, int64(i)), branch, v, path)
			if err == nil {
				return encoded, nil
			}
			if branch.Kind != Null {
				tried = tried.with(err)
			}
		}
	}
	if tried == nil || len(t.Union) > 2 {
		return nil, fmt.Errorf("%s: fits no branch of its union", path)
	}
	return nil, tried
}

// branchCalled is the index of the union's branch that is meant by a name: the specification's, goavro's, or that of a
// named type without its namespace; -1 when there is none.
func (t *Type) branchCalled(name string) int {
	if i := slices.IndexFunc(t.Union, func(branch *Type) bool { return name == branch.branchName() }); i >= 0 {
		return i
	}
	return slices.IndexFunc(t.Union, func(branch *Type) bool {
		full := branch.branchName()
		return name == full[strings.LastIndexByte(full, '.')+1:] ||
			branch.Logical != LogicalNone && name == full+"."+branch.Logical.String()
	})
}

func appendLong(dst []byte, n int64) []byte {
	return binary.AppendUvarint(dst, uint64(n<<1)^uint64(n>>63))
}
