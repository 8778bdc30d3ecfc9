// Package quota counts and paces what one remote address or one key takes, and what all of
// them do, in a bounded amount of memory. It decides nothing else: whoever asks knows the limits,
// refuses, and says so.
package quota
