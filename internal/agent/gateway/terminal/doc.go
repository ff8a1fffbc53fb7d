// Package terminal runs shells on pseudo-terminals and shows each to any
// number of WebSocket clients.
//
// A session outlives its clients. What it prints goes into a transcript of
// bounded size, in which every byte has an offset for the session's whole
// life: a client that comes back names the offset it has seen, and gets what
// followed. A client that is too slow for the shell skips what it missed and
// is told so; it delays the shell a little, never stops it.
//
// # Protocol
//
// A binary message from the client is input, one to the client is output. Text
// messages are JSON objects with a "type": see Command and Event.
package terminal
