package attribute

// MaxItemBytes is the largest item DynamoDB stores.
const MaxItemBytes = 400 * 1024

// Size is the item's size in bytes, names included, as limits and capacity
// units count it.
func (i Item) Size() int {
	total := 0
	for name, v := range i {
		total += len(name) + v.Size()
	}
	return total
}

// Size is the value's size in bytes. The rule for numbers is the documented
// approximation: one byte for two digits, and one.
func (v Value) Size() int {
	switch v.Kind {
	case String, Binary:
		return len(v.Text)
	case Number:
		return v.Number.size()
	case List, Map:
		// 3 bytes for the collection and 1 for every member.
		total := 3 + len(v.Elements) + len(v.Fields) + v.Fields.Size()
		for _, e := range v.Elements {
			total += e.Size()
		}
		return total
	case StringSet, NumberSet, BinarySet:
		total := 0
		for _, e := range v.Elements {
			total += e.Size()
		}
		return total
	}
	return 1
}

func (d Decimal) size() int {
	if d.digits == "" {
		return 1
	}
	n := (len(d.digits)+1)/2 + 1
	if d.negative {
		n++
	}
	return n
}
