// Package migrations is the schema of the table on HBase as numbered steps, and
// what takes a table from one step to another: up, and down where nothing is
// lost by it. Two that run at once do no harm, and one that was killed is
// completed by the next.
//
// It looks at the table before each request and does the next thing that is
// missing, so nothing but the table remembers how far it came. It is run by a
// person or a deployment, never by a node, and knows no command line.
package migrations
