package expression

import "github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/attribute"

// The functions of SET.
const (
	fnIfNotExists = "if_not_exists"
	fnListAppend  = "list_append"
)

// valueExpression is the right side of a SET: an operand, or a function or
// operator over others.
type valueExpression struct {
	operator  string // "", +, -, if_not_exists or list_append
	operand   operand
	arguments []valueExpression
}

func (x valueExpression) resolve(item attribute.Item) (attribute.Value, error) {
	switch x.operator {
	case "":
		v, ok := x.operand.in(item)
		if !ok {
			return v, attribute.Invalidf("The provided expression refers to an attribute that does not exist in the item")
		}
		return v, nil
	case fnIfNotExists:
		// The alternative must resolve even where it is not used.
		alternative, err := x.arguments[1].resolve(item)
		if v, ok := x.arguments[0].operand.in(item); ok && err == nil {
			return v, nil
		}
		return alternative, err
	}
	left, err := x.arguments[0].resolve(item)
	if err != nil {
		return left, err
	}
	right, err := x.arguments[1].resolve(item)
	if err != nil {
		return right, err
	}
	return combine(x.operator, left, right)
}

func combine(operator string, left, right attribute.Value) (attribute.Value, error) {
	want := attribute.Number
	if operator == fnListAppend {
		want = attribute.List
	}
	if left.Kind != want || right.Kind != want {
		return left, incorrectData()
	}
	if operator == fnListAppend {
		left = left.Clone()
		left.Elements = append(left.Elements, right.Elements...)
		return left, nil
	}
	calculate := attribute.Decimal.Add
	if operator == "-" {
		calculate = attribute.Decimal.Sub
	}
	d, err := calculate(left.Number, right.Number)
	return attribute.Numeric(d), err
}

// kind is the type of the value where it is known, else "".
func (x valueExpression) kind() attribute.Kind {
	switch x.operator {
	case "":
		return x.operand.kind()
	case fnListAppend:
		return attribute.List
	case "+", "-":
		return attribute.Number
	}
	return ""
}
