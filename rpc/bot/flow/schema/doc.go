// Package schema is what a flow file looks like, generated from flow.proto. It
// checks nothing by itself: package flow reads files.
package schema
