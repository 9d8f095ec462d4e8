package config

// CallerLimit limits the requests of one caller. The zero value means no limit of its
// own.
type CallerLimit struct {
	PerSecond float64 `yaml:"per_second" rule:"optional,0.01..100000" doc:"Requests per second in the long run; 0 if there is no limit here. It needs burst."`
	Burst     int     `yaml:"burst" rule:"optional,1..1000000" doc:"Requests that may be made at a time, after a pause. It needs per_second."`
}

// validateCallerLimit checks that a limit has both of its numbers, or none.
func (l *loader) validateCallerLimit(path string, c CallerLimit) {
	perSecond, burst := join(path, "per_second"), join(path, "burst")
	l.conflict(c.PerSecond != 0 && c.Burst == 0, "is required, since per_second is given", burst, perSecond)
	l.conflict(c.PerSecond == 0 && c.Burst != 0, "is required, since burst is given", perSecond, burst)
}
