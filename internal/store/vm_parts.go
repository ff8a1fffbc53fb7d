package store

import "github.com/devcontainer-manager/devcontainer-manager/internal/dcm"

// This file has the maps nested in a VM's item. Each converts nil to nil.

type priceItem struct {
	Hourly   string `dynamodbav:"hourly"`
	Currency string `dynamodbav:"currency"`
}

func itemOfPrice(p *dcm.Price) *priceItem {
	if p == nil {
		return nil
	}
	return &priceItem{Hourly: p.Hourly, Currency: p.Currency}
}

func (i *priceItem) price() *dcm.Price {
	if i == nil {
		return nil
	}
	return &dcm.Price{Hourly: i.Hourly, Currency: i.Currency}
}

type problemItem struct {
	Code    string `dynamodbav:"code"`
	Message string `dynamodbav:"message"`
}

func itemOfProblem(p *dcm.Problem) *problemItem {
	if p == nil {
		return nil
	}
	return &problemItem{Code: p.Code, Message: shortened(p.Message)}
}

func (i *problemItem) problem() *dcm.Problem {
	if i == nil {
		return nil
	}
	return &dcm.Problem{Code: i.Code, Message: i.Message}
}

type signalsItem struct {
	Terminal *instant `dynamodbav:"terminal,omitempty"`
	HTTP     *instant `dynamodbav:"http,omitempty"`
	SSH      *instant `dynamodbav:"ssh,omitempty"`
	Files    *instant `dynamodbav:"files,omitempty"`
	CPU      *instant `dynamodbav:"cpu,omitempty"`
}

// itemOfSignals returns nil for no signal at all.
func itemOfSignals(s dcm.Signals) *signalsItem {
	if s == (dcm.Signals{}) {
		return nil
	}
	return &signalsItem{
		Terminal: instantOfOptional(s.Terminal), HTTP: instantOfOptional(s.HTTP), SSH: instantOfOptional(s.SSH),
		Files: instantOfOptional(s.Files), CPU: instantOfOptional(s.CPU),
	}
}

func (i *signalsItem) signals() dcm.Signals {
	if i == nil {
		return dcm.Signals{}
	}
	return dcm.Signals{
		Terminal: i.Terminal.optional(), HTTP: i.HTTP.optional(), SSH: i.SSH.optional(),
		Files: i.Files.optional(), CPU: i.CPU.optional(),
	}
}

type uploadItem struct {
	BackupID       string           `dynamodbav:"backupId"`
	UploadID       string           `dynamodbav:"uploadId"`
	FromGeneration int64            `dynamodbav:"fromGeneration"`
	KeyVersion     int              `dynamodbav:"keyVersion"`
	StartedAt      instant          `dynamodbav:"startedAt"`
	Expected       *expectationItem `dynamodbav:"expected,omitempty"`
}

type expectationItem struct {
	SizeBytes int64  `dynamodbav:"sizeBytes"`
	SHA256    string `dynamodbav:"sha256"`
}

func itemOfUpload(u *dcm.Upload) *uploadItem {
	if u == nil {
		return nil
	}
	i := &uploadItem{
		BackupID: string(u.BackupID), UploadID: u.UploadID, FromGeneration: u.FromGeneration,
		KeyVersion: u.KeyVersion, StartedAt: instantOf(u.StartedAt),
	}
	if u.Expected != nil {
		i.Expected = &expectationItem{SizeBytes: u.Expected.SizeBytes, SHA256: u.Expected.SHA256}
	}
	return i
}

func (i *uploadItem) upload() *dcm.Upload {
	if i == nil {
		return nil
	}
	u := &dcm.Upload{
		BackupID: dcm.BackupID(i.BackupID), UploadID: i.UploadID, FromGeneration: i.FromGeneration,
		KeyVersion: i.KeyVersion, StartedAt: i.StartedAt.time(),
	}
	if i.Expected != nil {
		u.Expected = &dcm.UploadExpectation{SizeBytes: i.Expected.SizeBytes, SHA256: i.Expected.SHA256}
	}
	return u
}

type backupItem struct {
	ID         string  `dynamodbav:"id"`
	StorageID  string  `dynamodbav:"storageId,omitempty"`
	Key        string  `dynamodbav:"key"`
	VersionID  string  `dynamodbav:"versionId"`
	SizeBytes  int64   `dynamodbav:"sizeBytes"`
	SHA256     string  `dynamodbav:"sha256"`
	KeyVersion int     `dynamodbav:"keyVersion"`
	Generation int64   `dynamodbav:"generation"`
	TakenAt    instant `dynamodbav:"takenAt"`
}

func itemOfBackup(b *dcm.Backup) *backupItem {
	if b == nil {
		return nil
	}
	return &backupItem{
		ID: string(b.ID), StorageID: string(b.StorageID), Key: b.Key, VersionID: b.VersionID, SizeBytes: b.SizeBytes, SHA256: b.SHA256,
		KeyVersion: b.KeyVersion, Generation: b.Generation, TakenAt: instantOf(b.TakenAt),
	}
}

func (i *backupItem) backup() *dcm.Backup {
	if i == nil {
		return nil
	}
	return &dcm.Backup{
		ID: dcm.BackupID(i.ID), StorageID: dcm.AccountID(i.StorageID), Key: i.Key, VersionID: i.VersionID, SizeBytes: i.SizeBytes, SHA256: i.SHA256,
		KeyVersion: i.KeyVersion, Generation: i.Generation, TakenAt: i.TakenAt.time(),
	}
}

// size is what it weighs; nothing, if there is none.
func (i *backupItem) size() int64 {
	if i == nil {
		return 0
	}
	return i.SizeBytes
}
