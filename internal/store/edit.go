package store

import (
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

// edit collects an update expression.
type edit struct{ expression.UpdateBuilder }

func (e *edit) set(attribute string, value any) {
	e.UpdateBuilder = e.Set(expression.Name(attribute), expression.Value(value))
}

// setIfNew sets what has no value yet.
func (e *edit) setIfNew(attribute string, value any) {
	name := expression.Name(attribute)
	e.UpdateBuilder = e.Set(name, expression.IfNotExists(name, expression.Value(value)))
}

// add counts; what has no value yet counts from 0. The attribute's name is
// taken as it is, dots and all.
func (e *edit) add(attribute string, n int64) {
	e.UpdateBuilder = e.Add(expression.NameNoDotSplit(attribute), expression.Value(n))
}

// addNumber is add for a number of any size.
func (e *edit) addNumber(attribute, n string) {
	e.UpdateBuilder = e.Add(expression.NameNoDotSplit(attribute), expression.Value(attributevalue.Number(n)))
}

// addFrom counts; what has no value yet counts from start.
func (e *edit) addFrom(attribute string, start, n int64) {
	name := expression.Name(attribute)
	e.UpdateBuilder = e.Set(name, expression.Plus(expression.IfNotExists(name, expression.Value(start)), expression.Value(n)))
}

// setAll sets every attribute of an item but its key.
func (e *edit) setAll(item any) error {
	attributes, err := attributevalue.MarshalMap(item)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		if name != attrPK && name != attrSK {
			e.setExactly(name, attributes[name])
		}
	}
	return nil
}

func (e *edit) remove(attribute string) {
	e.UpdateBuilder = e.Remove(expression.Name(attribute))
}

// setOrRemove sets a text, and removes the attribute for an empty one.
func (e *edit) setOrRemove(attribute, value string) {
	if value == "" {
		e.remove(attribute)
		return
	}
	e.set(attribute, value)
}

// setExactly and removeExactly take the attribute's name as it is, dots and
// all.
func (e *edit) setExactly(attribute string, value any) {
	e.UpdateBuilder = e.Set(expression.NameNoDotSplit(attribute), expression.Value(value))
}

func (e *edit) removeExactly(attribute string) {
	e.UpdateBuilder = e.Remove(expression.NameNoDotSplit(attribute))
}

// setText sets a text that is known; an unknown one stays as it is.
func (e *edit) setText(attribute, value string) {
	if value != "" {
		e.set(attribute, value)
	}
}

func (e *edit) setTime(attribute string, t *time.Time) {
	if t != nil {
		e.set(attribute, instantOf(*t))
	}
}

// setDue moves the item within the index "due", or takes it out.
func (e *edit) setDue(kind string, at time.Time) {
	if at.IsZero() {
		e.remove(attrDueKind)
		e.remove(attrDueAt)
		return
	}
	e.set(attrDueKind, kind)
	e.set(attrDueAt, epochSeconds(at))
}

func changeUpdate(id dcm.VMID, c dcm.VMChange) expression.UpdateBuilder {
	var e edit
	e.status(c)
	e.report(c)
	e.server(c)
	e.setTime(attrRunningAt, c.RunningAt)
	e.setTime(attrLastSeenAt, c.LastSeenAt)
	e.setTime(attrStoppingAt, c.StoppingAt)
	if c.DueAt != nil {
		e.setDue(dueKindOf(dueVM, string(id)), *c.DueAt)
	}
	switch {
	case c.ClearUpload:
		e.remove(attrUpload)
	case c.Upload != nil:
		e.set(attrUpload, itemOfUpload(c.Upload))
	}
	if c.Receipt != nil {
		e.receipt(*c.Receipt)
	}
	return e.UpdateBuilder
}

func (e *edit) status(c dcm.VMChange) {
	if c.Status != nil {
		e.set(attrStatus, string(*c.Status))
	}
	if c.StopReason != nil {
		e.set(attrStopReason, string(*c.StopReason))
	}
	if c.Force != nil {
		e.set(attrForce, *c.Force)
	}
	switch {
	case c.ClearError:
		e.remove(attrError)
	case c.Error != nil:
		e.set(attrError, itemOfProblem(c.Error))
	}
}

// report sets what a heartbeat brings.
func (e *edit) report(c dcm.VMChange) {
	if c.Phase != nil {
		e.set(attrPhase, string(*c.Phase))
	}
	if c.Runtime != nil {
		e.set(attrRuntime, *c.Runtime)
	}
	if c.Boot != nil {
		e.set(attrBoot, c.Boot.String())
	}
	if c.AgentVersion != nil {
		e.set(attrAgentVersion, *c.AgentVersion)
	}
	if c.ClearIdle {
		e.remove(attrIdleSince)
	} else {
		e.setTime(attrIdleSince, c.IdleSince)
	}
	if c.Signals == nil {
		return
	}
	if signals := itemOfSignals(*c.Signals); signals != nil {
		e.set(attrSignals, signals)
	} else {
		e.remove(attrSignals)
	}
}

// server sets what a provider and a DNS service answered. What they left out
// stays as it is: a server's id, once known, must never be forgotten.
func (e *edit) server(c dcm.VMChange) {
	if s := c.Server; s != nil {
		e.setText(attrProviderID, s.ProviderID)
		e.setText(attrServerType, s.ServerType)
		e.setText(attrRegion, s.Region)
		e.setText(attrIPv4, s.IPv4)
		e.setText(attrIPv6, s.IPv6)
		if s.Price != nil {
			e.set(attrPrice, itemOfPrice(s.Price))
		}
	}
	switch {
	case c.DNSRecordIDs == nil:
	case len(c.DNSRecordIDs) == 0:
		e.remove(attrDNSRecordIDs)
	default:
		e.set(attrDNSRecordIDs, c.DNSRecordIDs)
	}
}
