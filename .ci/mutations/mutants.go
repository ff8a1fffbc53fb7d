package main

const apiTests = "./internal/api"

// mutants are the guards, each with the test that must notice when it is gone.
func mutants() []mutant {
	return []mutant{
		{
			"a VM is stopped only once", "internal/store/finish.go",
			`stopping := equals(attrStatus, string(dcm.StatusStopping)).And(equals(attrWorkspaceID, string(f.Workspace)))`,
			`stopping := equals(attrWorkspaceID, string(f.Workspace))`,
			"./internal/store", "TestStore",
		},
		{
			"a sweep reads before it acts", "internal/lifecycle/overdue.go",
			// Without reading, all it knows is when the index said it was due.
			"switch {\n\tcase dcm.ErrorCode(err) == dcm.CodeNotFound:\n\t\treturn nil, accounts, nil\n\tcase err != nil:\n\t\treturn nil, accounts, fmt.Errorf(\"read %s: %w\", due.VM, err)\n\tcase vm.DueAt.IsZero() || vm.DueAt.After(o.Clock.Now()):",
			"if listed := due.DueAt.Add(-dcm.HeartbeatLostAfter); vm.LastSeenAt != nil {\n\t\tvm.LastSeenAt = &listed\n\t}\n\tswitch {\n\tcase dcm.ErrorCode(err) == dcm.CodeNotFound:\n\t\treturn nil, accounts, nil\n\tcase err != nil:\n\t\treturn nil, accounts, fmt.Errorf(\"read %s: %w\", due.VM, err)\n\tcase vm.DueAt.IsZero():",
			apiTests, "TestAHeartbeatBeforeTheSweepReads$",
		},
		{
			"a sweep stops only what nobody touched", "internal/lifecycle/overdue.go",
			"From: []dcm.Status{vm.Status}, IfDueAt: &vm.DueAt,\n\t\tStatus: &status", "From: []dcm.Status{vm.Status},\n\t\tStatus: &status",
			apiTests, "TestAHeartbeatBeforeTheSweepStops$",
		},
		{
			"one run of a sweep at a time", "internal/store/lease.go",
			"LessThanEqual(expression.Value(instantOf(now)))", "LessThanEqual(expression.Value(instantOf(now.Add(time.Hour))))",
			"./internal/store", "TestStore",
		},
		{
			"a lease is given back by who has it", "internal/store/lease.go",
			"s.writeLease(ctx, name, equals(attrLeaseOwner, owner), e)", `s.writeLease(ctx, name, absent("nobody"), e)`,
			"./internal/store", "TestStore",
		},
		{
			"a panic in a sweep is an item's own", "internal/sweep/time.go",
			"if p := recover(); p != nil {", "if p := any(nil); p != nil {",
			apiTests, "TestAnItemThatPanicsInASweep$",
		},
		{
			"a VM that hangs has a time of its own", "internal/sweep/vms.go",
			"context.WithTimeout(ctx, vmTime)", "context.WithCancel(ctx)",
			"./internal/sweep", "TestAVMThatHangsIsAlone$",
		},
		{
			"a workspace that hangs has a share of the run", "internal/sweep/time.go",
			"min(left, max(left/shareOfRun, leastShare))", "min(left, max(left, leastShare))",
			"./internal/sweep", "TestAWorkspaceThatHangsIsAlone$",
		},
		{
			"one tenant's VMs have a share of the slots", "internal/sweep/due.go",
			"slots < slotsOfOne", "slots < 1000",
			"./internal/sweep", "TestATenantWhoseVMsHang$",
		},
		{
			"after a run that was killed, what waits longest is not the first", "internal/sweep/due.go",
			"shuffle(fresh)", "_ = fresh",
			"./internal/sweep", "TestWhatKillsARunHidesNobody$",
		},
		{
			"nor is a tenant due whose accounts may have killed it", "internal/sweep/orphans_look.go",
			"r.careful && !r.ahead(ctx, &d)", "false",
			"./internal/sweep", "TestWhatKillsARunHidesNobody$",
		},
		{
			"the platform's bucket is never taken for gone", "internal/storage/errors.go",
			`b.AccessKeyID != "" && `, "",
			apiTests, "TestAWorkspaceWhoseBucketIsGone$",
		},
		{
			"a misspelt dry run is no run", "internal/sweep/order.go",
			`if name != "dryRun" && !(event && ofEvent(name)) {`, `if name == "" {`,
			"./internal/sweep", "TestOrder$",
		},
		{
			"a failed launch drops only the workspace that it made", "internal/store/finish.go",
			"		And(equals(attrCreatedBy, string(p.VM))).\n", "",
			apiTests, "TestAFailedLaunchKeepsWhatWasThere$",
		},
		{
			"a server is adopted only with our labels", "internal/lifecycle/order.go",
			"case !p.intent.VM.OwnsServer(l.Installation, found.Labels):", "case false:",
			apiTests, "TestANameThatIsTaken$",
		},
		{
			"a server found by name is deleted only with our labels", "internal/lifecycle/release_steps.go",
			"if found == nil || !vm.OwnsServer(r.Installation, found.Labels) {", "if found == nil {",
			apiTests, "TestANameThatIsTaken$",
		},
		{
			"a release waits for the launch to be over", "internal/lifecycle/release.go",
			`if vm.ProviderID == "" && r.Clock.Now().Before(launchOver) {`, `if vm.ProviderID == "" && r.Clock.Now().Before(vm.CreatedAt) {`,
			apiTests, "TestCreateAndDeleteAtOnce$",
		},
		{
			"gone is what the provider, asked again, does not know", "internal/lifecycle/release_steps.go",
			"if left != nil {", "if left != nil && false {",
			apiTests, "TestAServerThatIsSaidToBeGone$",
		},
		{
			"a backup that was complete counts, though nobody heard", "internal/lifecycle/settle.go",
			"if u.Expected != nil {", "if false {",
			apiTests, "TestAnUnheardBackupCounts$",
		},
		{
			"a backup follows the newest generation", "internal/store/backup.go",
			`held := equals(attrActiveVM, string(vm)).And(equals(attrGeneration, b.Generation-1))`, `held := equals(attrActiveVM, string(vm))`,
			"./internal/store", "TestStore",
		},
		{
			"a VM with an older state may not write", "internal/lifecycle/backup.go",
			"if err := mayWrite(vm, ws, r.Generation); err != nil {", "if err := mayWrite(vm, ws, ws.Generation); err != nil {",
			apiTests, "TestAStaleVMNeverOverwrites$",
		},
		{
			"the quota is a condition", "internal/store/quota.go",
			"And(name(attrActiveVMs).LessThan(name(attrMaxVMs))).\n", "And(name(attrActiveVMs).LessThan(value(1 << 30))).\n",
			apiTests, "TestQuota$",
		},
		{
			"no challenge outlives its VM's release", "internal/lifecycle/release_steps.go",
			"receipt, found...); err != nil {", "receipt, vm.DNS.RecordIDs...); err != nil {",
			apiTests, "TestChallenge$",
		},
		{
			"nor an address whose comment somebody changed", "internal/lifecycle/release_steps.go",
			"range vm.DNS.RecordIDs {", "range vm.DNS.RecordIDs[:0] {",
			apiTests, "TestChallenge$",
		},
		{
			"a batch that names a record that is gone withdraws the others", "internal/dns/cloudflare/withdraw.go",
			"if !refused {", "if !refused || err != nil {",
			"./internal/dns/cloudflare", "TestConformance$",
		},
		{
			"an account is bound at its directory's own host", "internal/lifecycle/binding.go",
			"at.Host != directory.Host", "false",
			apiTests, "TestChallenge$",
		},
		{
			"no account is bound for a VM that ends", "internal/lifecycle/binding.go",
			"if err := mayHaveCertificate(known.VM); err != nil {", "if err := mayHaveCertificate(known.VM); err != nil && false {",
			apiTests, "TestChallenge$",
		},
		{
			"a challenge is looked at again once it is published", "internal/lifecycle/challenge.go",
			"if err := mayHaveCertificate(now); err != nil {", "if err := mayHaveCertificate(vm); now.ID == \"\" {",
			apiTests, "TestChallenge$",
		},
		{
			"a certificate's challenges are two at most", "internal/lifecycle/challenge.go",
			"if len(found) > maxChallenges {", "if false {",
			apiTests, "TestChallenge$",
		},
		{
			"a value too many costs the DNS service one call", "internal/lifecycle/challenge.go",
			"if len(there) >= maxChallenges && !again {", "if len(there) >= maxChallenges && !again && false {",
			apiTests, "TestCallsPerOperation$",
		},
		{
			"a VM calls thirty times an hour for its certificate", "internal/dcm/challenge.go",
			"b.Calls >= MaxChallengeCalls {", "b.Calls > 1<<20 {",
			apiTests, "TestChallengesAreLimited$",
		},
		{
			"a VM has one account at an authority", "internal/dcm/challenge.go",
			`bound != "" && bound != c.Key {`, `bound != "" && false {`,
			apiTests, "TestChallenge$",
		},
		{
			"and at the installation's authorities only", "internal/lifecycle/binding.go",
			"!slices.Contains(c.Directories, r.Account.Directory)", "!slices.Contains(c.Directories, r.Account.Directory) && false",
			apiTests, "TestChallenge$",
		},
		{
			"what a VM was refused does not bury its tenant's log", "internal/httpapi/audit.go",
			`return e.Audience == "" || `, `return e.Audience != "" || e.Audience == "" || `,
			apiTests, "TestAuditOfFailures$",
		},
		{
			"an agent that calls too often waits as told", "internal/agent/certificate/keeper.go",
			", Longest: k.patience(longestPause),", ",",
			"./internal/agent/certificate", "TestATooEagerVM$",
		},
		{
			"no heartbeat moves a hard deadline", "internal/lifecycle/heartbeat.go",
			"due := earliest(now.Add(dcm.HeartbeatLostAfter), hardDeadline(vm))\n\tif", "due := now.Add(dcm.HeartbeatLostAfter)\n\tif",
			apiTests, "TestDeadlines$",
		},
		{
			"what is wrong with a zone is noted for the secret that was used", "internal/store/account_note.go",
			`equals(account+".fingerprint", n.Fingerprint)`, `absent("nobody")`,
			"./internal/store", "TestStore",
		},
		{
			"what is wrong with a zone or bucket is said once", "internal/lifecycle/account_note.go",
			"known.Code == n.Problem.Code", "false",
			apiTests, "TestABrokenZoneOrBucketIsSaid$",
		},
		{
			"a failed check names the record that it leaves", "internal/dns/cloudflare/check.go",
			"return &dcm.LeftoverError{Record: record, Err: err}", "return err",
			apiTests, "TestACheckThatDiedIsNoLeak$",
		},
		{
			"an Idempotency-Key stands for one VM", "internal/store/create.go",
			"free := absent(attrPK).Or(", "free := absent(\"nothing\").Or(",
			apiTests, "TestMatrix/create$/dynamodb_TransactWriteItems_1/twice$",
		},
		{
			"usage is in the transaction that ends the VM", "internal/store/finish.go",
			"return append(writes, t.count(used)...)", "_ = t.transact(context.Background(), t.count(used)...)\n\treturn writes",
			apiTests, "TestMatrix/cleanup$/dynamodb_TransactWriteItems_1/(refused|twice|lost_answer)$",
		},
		{
			"an uncertain create is waited for", "internal/lifecycle/launch.go",
			"due, certain := now, certainly(failure)", "due, certain := now, true",
			apiTests, "TestALostCreateIsWaitedFor$",
		},
		{
			"a launch that was abandoned is given to nobody", "internal/lifecycle/replay.go",
			`return vm.StopReason == dcm.StopCreateFailed && vm.ProviderID == "" && vm.Error != nil`, `return false`,
			apiTests, "TestMatrix/create$/hetzner_CreateServer_1/dies_after$",
		},
		{
			"a launch that failed frees its Idempotency-Key", "internal/lifecycle/launch.go",
			"undone = vm.ID\n", "",
			apiTests, "TestAFailedLaunchFreesItsKey$",
		},
		{
			"but not before it is undone", "internal/lifecycle/launch.go",
			"if !neverWas(vm) || vm.Status != dcm.StatusStopped {", "if !neverWas(vm) {",
			apiTests, "TestAFailedLaunchFreesItsKey$",
		},
		{
			"a freed key is taken over once", "internal/store/create.go",
			"equals(attrIdempotentVM, string(undone))", "exists()",
			"./internal/store", "TestStore",
		},
		{
			"cleanup names the newest generation", "internal/lifecycle/cleanup.go",
			"case r.Generation != vm.Generation:", "case false:",
			apiTests, "TestWorkIsSavedAndCarriedOn$",
		},
		{
			"a bootstrap token works for one key", "internal/store/bind.go",
			"And(absent(attrBoundKey).Or(equals(attrBoundKey, publicKey)))", "And(exists())",
			apiTests, "TestBootstrapTokenWorksForOneKey$",
		},
		{
			"an orphan's record is read again before it is deleted", "internal/lifecycle/orphan.go",
			"return judged, judged.Why != \"\", nil", "return judged, true, nil",
			apiTests, "TestOrphan",
		},
		{
			"nothing is done on a partial list", "internal/provider/hetzner/list.go",
			"if err != nil {\n\t\t\treturn nil, callError(op, response, err)\n\t\t}", "if err != nil {\n\t\t\treturn all, nil\n\t\t}",
			apiTests, "TestPartialListDeletesNothing$",
		},
		{
			"only what carries this very installation's label is ours", "internal/dcm/vm.go",
			"labels[LabelInstallation] == installation &&", "installation != \"\" &&",
			apiTests, "TestANameThatIsTaken$",
		},
		{
			"a launch asks first what is left of the provider's limit", "internal/lifecycle/plan.go",
			"if err := l.maySpend(p.credential); err != nil {", "if err := l.maySpend(p.credential); err != nil && false {",
			apiTests, "TestARefusedLaunchIsMadeLater$",
		},
		{
			"an end takes more requests than a launch", "internal/dcm/rate.go",
			"b.Interval * 4 / 3 }", "b.Interval * 2 }",
			apiTests, "TestALastingStormStarvesNobody$",
		},
		{
			"sweeps leave launches their share", "internal/dcm/rate.go",
			"return b.Limit * 3 / 10", "return 0",
			apiTests, "TestSweepsLeaveLaunchesTheirShare$",
		},
		{
			"a server that is off is switched on", "internal/lifecycle/overdue.go",
			"return provider.StartVM(ctx, credential, server.ID)", "return nil",
			apiTests, "TestASwitchedOffServerSavesItsWork",
		},
		{
			"a token outlives what its record waits for", "internal/dcm/limits.go",
			"VMTokenLife = 2 * MovingStopGrace", "VMTokenLife = 12 * time.Hour",
			apiTests, "TestAVMThatWasCutOff$",
		},
		{
			"what a check of a zone made is found", "internal/dcm/stray.go",
			` || strings.HasPrefix(r.Name, CheckLabel+"."+vm+".")`, "",
			apiTests, "TestACheckThatDiedIsNoLeak$",
		},
		{
			"a prepared image that is refused is done without", "internal/lifecycle/order.go",
			"== dcm.KindImage && request.Image != l.Image", "== dcm.KindImage && request.Image == l.Image",
			apiTests, "TestPreparedImage$",
		},
		{
			"an image that was ordered is looked for before another is", "infra/image/prepared/build.go",
			"if tried {", "if tried && j.fresh {",
			"./infra/image/prepared", "TestBuildIsRepeatable$",
		},
		{
			"an image that servers were made of stays", "infra/image/prepared/prune.go",
			" && s.used[i.ID] == 0", "",
			"./infra/image/prepared", "TestPrune$",
		},
		{
			"an old token is renewed once in a while", "internal/lifecycle/heartbeat.go",
			"vm.LastSeenAt.Before(now.Truncate(dcm.TokenRenewalInterval))", "true",
			apiTests, "TestOldTokensAreRenewedNowAndThen$",
		},
		{
			"a silence outlives the agent", "internal/agent/unheard.go",
			"return s.Passed + min(", "return min(",
			"./internal/agent", "TestSilenceIsCarriedOn$",
		},
		{
			"a machine that was switched on has a fair try", "internal/agent/unheard.go",
			"min(s.Passed, dcm.AloneAfter-dcm.AloneTry)", "s.Passed",
			"./internal/agent", "TestSilenceIsCarriedOn$",
		},
	}
}
