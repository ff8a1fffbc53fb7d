package store

import (
	"errors"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// booking is what a launch or a release changes of a tenant's spending.
//
// What was spent is kept of one month only, the newest that anything was booked
// in. A booking can't read which that is, so it supposes that it is its own. If
// it is not, the refusal shows which it is, and a second booking, made for it,
// closes that month or adds to it.
type booking struct {
	// month is the one that the books are open for afterwards.
	month dcm.Month
	// closes is the month they were open for, and closing what was spent in it;
	// "" if they are open for month already, or for none yet.
	closes  dcm.Month
	closing dcm.Micros
	// reserve and spend are added.
	reserve dcm.Micros
	spend   dcm.Micros
}

// bookingMonth is what to book in at now, with the books as they were seen.
func bookingMonth(now dcm.Month, seen *profileItem) booking {
	if seen == nil || seen.SpendMonth == "" {
		return booking{month: now}
	}
	// Months sort as their names do. One that is ahead of now was opened by
	// whoever came after midnight.
	if open := dcm.Month(seen.SpendMonth); open >= now {
		return booking{month: open}
	}
	return booking{month: now, closes: dcm.Month(seen.SpendMonth), closing: dcm.Micros(seen.Spent)}
}

// condition holds if the books are as the booking supposes.
func (b booking) condition() expression.ConditionBuilder {
	if b.closes == "" {
		return absent(attrSpendMonth).Or(equals(attrSpendMonth, string(b.month)))
	}
	return equals(attrSpendMonth, string(b.closes)).And(equals(attrSpent, int64(b.closing)))
}

// fits is the same of a profile that was read.
func (b booking) fits(p profileItem) bool {
	if b.closes == "" {
		return p.SpendMonth == "" || p.SpendMonth == string(b.month)
	}
	return p.SpendMonth == string(b.closes) && p.Spent == int64(b.closing)
}

// write makes the booking; room is that of a tenant without a profile.
func (b booking) write(e *edit, room int64) {
	e.set(attrSpendMonth, string(b.month))
	if b.closes == "" {
		e.add(attrSpent, int64(b.spend))
	} else {
		e.set(attrSpent, int64(b.spend))
	}
	e.add(attrReserved, int64(b.reserve))
	e.addFrom(attrSpendRoom, room, int64(b.closing-b.reserve-b.spend))
}

// otherBooks says that a profile was found with other books than supposed.
type otherBooks struct{ found profileItem }

func (e *otherBooks) Error() string { return "the tenant's books are open for another month" }

// Unwrap makes it a lost race should it never fit.
func (e *otherBooks) Unwrap() error { return dcm.ErrLostRace }

// bookingTries is how often a booking is made anew. A second try is needed
// once a month, further ones only when many meet at the turn of the month.
const bookingTries = 8

// book calls try until its booking fits, first without having seen the
// profile, then with what it was found to be.
func book(try func(seen *profileItem) error) error {
	err := try(nil)
	for range bookingTries - 1 {
		other, ok := errors.AsType[*otherBooks](err)
		if !ok {
			return err
		}
		err = try(&other.found)
	}
	return err
}
