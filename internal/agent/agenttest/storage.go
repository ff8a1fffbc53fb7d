package agenttest

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/devcontainer-manager/devcontainer-manager/internal/dcm"
)

type upload struct {
	id     dcm.BackupID
	from   int64
	signed map[int]dcm.PartSpec
	stored map[int]string // part number to hex digest
}

func (p *Plane) start(w http.ResponseWriter, r *http.Request) {
	var body dcm.BackupStart
	if !p.authorised(w, r, &body) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	// An agent that was killed before it heard that its backup was complete may
	// still name the generation before.
	unheard := body.Generation == p.state.generation-1 && p.state.wrote == p.state.generation
	if body.Generation != p.state.generation && !unheard {
		problem(w, http.StatusConflict, dcm.CodeConflict, fmt.Sprintf(
			"the workspace's backup is at generation %d; a backup based on generation %d would overwrite newer work", p.state.generation, body.Generation))
		return
	}
	p.state.starts++
	p.state.upload = &upload{
		id:     dcm.BackupID(fmt.Sprintf("bk-%010d", p.state.generation*1000+int64(p.state.starts))),
		from:   p.state.generation,
		signed: map[int]dcm.PartSpec{}, stored: map[int]string{},
	}
	answer(w, dcm.BackupStarted{
		BackupID: p.state.upload.id, PartBytes: p.PartBytes, MaxParts: dcm.MaxBackupParts,
		Recipient: p.identity.Recipient().String(),
	})
}

func (p *Plane) parts(w http.ResponseWriter, r *http.Request) {
	var body dcm.BackupParts
	if !p.authorised(w, r, &body) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.state.upload
	if u == nil || string(u.id) != r.PathValue("backup") {
		problem(w, http.StatusNotFound, dcm.CodeNotFound, "there is no such backup under way")
		return
	}
	var urls dcm.BackupPartURLs
	for _, part := range body.Parts {
		u.signed[part.Number] = part
		digest, _ := hex.DecodeString(part.SHA256)
		urls.Parts = append(urls.Parts, dcm.PresignedPart{
			Number:  part.Number,
			URL:     fmt.Sprintf("%s/storage/parts/%s/%d/%d", p.URL, u.id, part.Number, p.state.expired),
			Headers: map[string]string{"X-Amz-Checksum-Sha256": base64.StdEncoding.EncodeToString(digest)},
		})
	}
	answer(w, urls)
}

// put takes a part, if it is exactly what was signed.
func (p *Plane) put(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
	}
	number, _ := strconv.Atoi(r.PathValue("number"))
	backup := r.PathValue("backup")
	f, err := os.Create(p.path(fmt.Sprintf("%s.%d", backup, number)))
	if err != nil {
		refuse(500, "InternalError")
		return
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), r.Body)
	if err != nil {
		refuse(400, "IncompleteBody")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.state.upload
	if u == nil || string(u.id) != backup {
		refuse(404, "NoSuchUpload")
		return
	}
	signed := u.signed[number]
	digest, _ := hex.DecodeString(signed.SHA256)
	switch {
	case r.PathValue("age") != strconv.Itoa(p.state.expired):
		refuse(403, "AccessDenied")
	case r.Header.Get("X-Amz-Checksum-Sha256") != base64.StdEncoding.EncodeToString(digest), n != signed.SizeBytes:
		refuse(403, "SignatureDoesNotMatch")
	case string(sum.Sum(nil)) != string(digest):
		refuse(400, "BadDigest")
	default:
		u.stored[number] = signed.SHA256
		w.WriteHeader(http.StatusOK)
	}
}

// complete verifies the whole as the real control plane does, and answers the
// same when asked again.
func (p *Plane) complete(w http.ResponseWriter, r *http.Request) {
	var body dcm.BackupComplete
	if !p.authorised(w, r, &body) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.state.upload
	if u == nil || string(u.id) != r.PathValue("backup") {
		if o := p.state.object; o != nil && o.path == p.path(r.PathValue("backup")) {
			answer(w, dcm.BackupCompleted{Generation: p.state.generation})
			return
		}
		problem(w, http.StatusNotFound, dcm.CodeNotFound, "there is no such backup under way")
		return
	}
	o, err := p.assemble(u, body)
	if err != nil {
		problem(w, http.StatusConflict, dcm.CodeConflict, err.Error())
		return
	}
	p.state.object, p.state.upload, p.state.generation, p.state.wrote = o, nil, u.from+1, u.from+1
	answer(w, dcm.BackupCompleted{Generation: p.state.generation})
}

func (p *Plane) assemble(u *upload, want dcm.BackupComplete) (*object, error) {
	out, err := os.Create(p.path(string(u.id)))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	whole, composite := sha256.New(), sha256.New()
	var size int64
	var used []string
	for n := 1; n <= want.Parts; n++ {
		digest, err := hex.DecodeString(u.stored[n])
		if err != nil || len(digest) != sha256.Size {
			return nil, fmt.Errorf("part %d is missing", n)
		}
		composite.Write(digest)
		in, err := os.Open(p.path(fmt.Sprintf("%s.%d", u.id, n)))
		if err != nil {
			return nil, err
		}
		k, err := io.Copy(io.MultiWriter(out, whole), in)
		_ = in.Close()
		if err != nil {
			return nil, err
		}
		if n < want.Parts && k != p.PartBytes {
			return nil, fmt.Errorf("part %d has %d bytes", n, k)
		}
		size += k
		used = append(used, in.Name())
	}
	got := dcm.BackupComplete{
		Parts: len(u.stored), Size: size,
		SHA256: hex.EncodeToString(whole.Sum(nil)), PartsSHA256: hex.EncodeToString(composite.Sum(nil)),
	}
	if got != want {
		return nil, fmt.Errorf("what was uploaded, %+v, is not what was announced, %+v", got, want)
	}
	removeAll(used)
	return &object{path: out.Name(), size: size, sha256: got.SHA256}, nil
}

// get serves the newest backup, ranges included.
func (p *Plane) get(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	o := p.state.object
	p.mu.Unlock()
	if o == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeFile(w, r, o.path)
}
