package dynamodb

import "github.com/devcontainer-manager/devcontainer-manager/internal/local/dynamodb/expression"

type scanRequest struct{ pageOptions }

func (s *Server) scan(r *scanRequest) (any, error) {
	l, err := s.listing(&r.pageOptions)
	if err != nil {
		return nil, err
	}
	p, err := expression.NewPlaceholders(r.ExpressionAttributeNames, r.ExpressionAttributeValues)
	if err != nil {
		return nil, err
	}
	rd, err := r.reader(l, p)
	if err != nil {
		return nil, err
	}
	var sp span
	if sp.start, err = r.start(l, sp); err != nil {
		return nil, err
	}
	return r.page(s, rd, sp), nil
}
