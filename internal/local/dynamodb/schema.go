package dynamodb

import (
	"hash/fnv"

	"github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"
)

// The longest keys DynamoDB takes, in bytes.
const (
	maxHashKeyBytes  = 2048
	maxRangeKeyBytes = 1024
)

// keyAttribute is one attribute of a key; its name is "" where there is none.
type keyAttribute struct {
	name string
	kind attribute.Kind
}

// keySchema is the key of a table or an index.
type keySchema struct{ hash, rng keyAttribute }

func (k keySchema) attributes() []keyAttribute {
	if k.rng.name == "" {
		return []keyAttribute{k.hash}
	}
	return []keyAttribute{k.hash, k.rng}
}

func (k keySchema) has(name string) bool {
	return name != "" && (name == k.hash.name || name == k.rng.name)
}

// partition is what every encoded key with this hash key begins with. It
// starts with a hash, so that partitions come in no meaningful order, as in
// DynamoDB.
func partition(hash attribute.Value) []byte {
	key := attribute.AppendKey(nil, hash)
	h := fnv.New64a()
	_, _ = h.Write(key)
	return append(h.Sum(nil), key...)
}

// encode makes the ordered key of an item that has the key's attributes.
func (k keySchema) encode(item attribute.Item) []byte {
	key := partition(item[k.hash.name])
	if k.rng.name != "" {
		key = attribute.AppendKey(key, item[k.rng.name])
	}
	return key
}

// of returns only the key's attributes of an item.
func (k keySchema) of(item attribute.Item) attribute.Item {
	key := attribute.Item{}
	for _, a := range k.attributes() {
		key[a.name] = item[a.name]
	}
	return key
}

// checkKey refuses a key that is not exactly of this schema.
func (k keySchema) checkKey(key attribute.Item) error {
	attributes := k.attributes()
	if len(key) != len(attributes) {
		return invalid("The provided key element does not match the schema")
	}
	for _, a := range attributes {
		if key[a.name].Kind != a.kind {
			return invalid("The provided key element does not match the schema")
		}
	}
	return k.checkLimits(key)
}

// checkItem refuses an item without a proper key.
func (k keySchema) checkItem(item attribute.Item) error {
	for _, a := range k.attributes() {
		v, ok := item[a.name]
		if !ok {
			return invalid("One or more parameter values were invalid: Missing the key %s in the item", a.name)
		}
		if v.Kind != a.kind {
			return invalid("One or more parameter values were invalid: Type mismatch for key %s expected: %s actual: %s", a.name, a.kind, v.Kind)
		}
	}
	return k.checkLimits(item)
}

func (k keySchema) checkLimits(item attribute.Item) error {
	for _, a := range k.attributes() {
		v := item[a.name]
		if a.kind != attribute.Number && v.Text == "" {
			return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty %s value. Key: %s", kindNoun(a.kind), a.name)
		}
	}
	if len(item[k.hash.name].Text) > maxHashKeyBytes {
		return invalid("One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of%d bytes", maxHashKeyBytes)
	}
	if k.rng.name != "" && len(item[k.rng.name].Text) > maxRangeKeyBytes {
		return invalid("One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of %d bytes", maxRangeKeyBytes)
	}
	return nil
}

func kindNoun(k attribute.Kind) string {
	if k == attribute.Binary {
		return "binary"
	}
	return "string"
}

// prefixEnd is the smallest key above every key that begins with prefix.
func prefixEnd(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xFF {
			end[i]++
			return end[:i+1]
		}
	}
	return end
}
