package dynamodbtest

// conditionChecks evaluate conditions on one item that has a bit of all.
func conditionChecks() []check {
	values := item{":s": str("abc"), ":n": num("5"), ":five": num("5.0"), ":four": num("4"), ":ten": num("10"), ":b": bin("ab"),
		":set": strs("y", "x"), ":x": str("x"), ":one": num("1"), ":two": num("2"), ":three": num("3"), ":S": str("S"), ":SS": str("SS"), ":t": boolean(true),
		":null": null(), ":l": list(num("1"), str("x")), ":m": object(item{"k": str("v"), "deep": list(num("7"))}), ":ab": str("ab"), ":abd": str("abd"), ":v": str("v"), ":seven": num("7")}
	subject := keyed("a", "1", item{"s": str("abc"), "n": num("5"), "b": bin("abc"), "ss": strs("x", "y"), "ns": nums("1", "2", "3"), "t": boolean(true), "nul": null(),
		"l": list(num("1"), str("x")), "m": object(item{"k": str("v"), "deep": list(num("7"))}), "big": num("9007199254740993"), "uni": str("é\U0001F600")})
	var checks []check
	for _, c := range []struct {
		condition string
		want      bool
	}{
		{"s = :s", true}, {"s <> :s", false}, {"s = :n", false}, {"s <> :n", true}, {"n = :five", true}, {"n < :ten", true}, {"n > :four", true},
		{"n <= :five AND n >= :five", true}, {"n < :five", false}, {"n > :five", false}, {"s < :abd", true}, {"s > :abd", false}, {"s < :n", false}, {"s > :n", false},
		{"b > :b", true}, {"ss = :set", true}, {"t = :t", true}, {"nul = :null", true}, {"l = :l", true}, {"m = :m", true}, {"t <> :t", false},
		{"absent = :s", false}, {"absent <> :s", true}, {"absent < :n", false}, {"NOT absent = :s", true},
		{"n BETWEEN :four AND :ten", true}, {"n BETWEEN :one AND :four", false}, {"s BETWEEN :ab AND :abd", true}, {"absent BETWEEN :one AND :two", false},
		{"n IN (:one, :five)", true}, {"n IN (:one, :two)", false}, {"s IN (:n, :s)", true}, {"absent IN (:s)", false}, {"n IN (:s, n[0])", false},
		{"attribute_exists(s)", true}, {"attribute_exists(absent)", false}, {"attribute_not_exists(s)", false}, {"attribute_not_exists(absent)", true},
		{"attribute_exists(m.k)", true}, {"attribute_exists(m.gone)", false}, {"attribute_exists(l[1])", true}, {"attribute_exists(l[2])", false}, {"attribute_exists(s.k)", false},
		{"attribute_type(s, :S)", true}, {"attribute_type(ss, :SS)", true}, {"attribute_type(n, :S)", false}, {"attribute_type(absent, :S)", false},
		{"begins_with(s, :ab)", true}, {"begins_with(s, :x)", false}, {"begins_with(b, :b)", true}, {"begins_with(n, :ab)", false}, {"begins_with(absent, :ab)", false},
		{"contains(s, :ab)", true}, {"contains(s, :x)", false}, {"contains(ss, :x)", true}, {"contains(ns, :two)", true}, {"contains(ns, :ten)", false},
		{"contains(l, :x)", true}, {"contains(l, :one)", true}, {"contains(l, :two)", false}, {"contains(b, :b)", true}, {"contains(s, :n)", false}, {"contains(absent, :x)", false},
		{"size(s) = :three", true}, {"size(ss) = :two", true}, {"size(ns) >= :three", true}, {"size(l) = :two", true}, {"size(m) = :two", true}, {"size(b) = :three", true},
		{"size(absent) = :one", false}, {"size(n) = :one", false}, {"size(uni) = :three", true}, {"size(m.deep) = :one", true},
		{"m.k = :v", true}, {"m.deep[0] = :seven", true}, {"l[0] = :one", true}, {"l[0] = n", false}, {"n = ns", false}, {"n > l[0]", true},
		{"n = :n OR absent = :s AND absent = :s", true}, {"(n = :n OR absent = :s) AND absent = :s", false}, {"NOT n = :n AND absent = :s", false},
		{"NOT (n = :n AND absent = :s)", true}, {"NOT NOT n = :n", true}, {"n=:n and s=:s or t=:t", true}, {"attribute_exists (s)", true},
		{"(n = :n) AND ((s = :s) OR (t = :t))", true},
	} {
		checks = append(checks, check{c.condition, func(f *fixture) {
			f.put(subject)
			err := f.putIf(subject, c.condition, nil, used(c.condition, values))
			if c.want {
				f.must(nil, err)
			} else {
				f.refused(err, "ConditionalCheckFailedException", "The conditional request failed")
			}
		}})
	}
	return append(checks, check{"big numbers are compared exactly", func(f *fixture) {
		f.put(subject)
		f.must(nil, f.putIf(subject, "big = :v", nil, item{":v": num("9007199254740993")}))
		f.refused(f.putIf(subject, "big = :v", nil, item{":v": num("9007199254740992")}), "ConditionalCheckFailedException", "")
	}})
}

// used picks the values that an expression names, since others are refused.
func used(expression string, values item) item {
	picked := item{}
	word := func(c byte) bool { return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }
	for i := 0; i < len(expression); i++ {
		if expression[i] != ':' {
			continue
		}
		end := i + 1
		for end < len(expression) && word(expression[end]) {
			end++
		}
		if v, ok := values[expression[i:end]]; ok {
			picked[expression[i:end]] = v
		}
	}
	if len(picked) == 0 {
		return nil
	}
	return picked
}
