package config

import "fmt"

// Client is a caller that is listed in the configuration.
type Client struct {
	ID       string      `yaml:"id" rule:"required,id" doc:"Name of the client, each only once."`
	Hash     Secret      `yaml:"hash" rule:"required,hash" doc:"Hash of the client's password or API key."`
	NextHash Secret      `yaml:"next_hash" rule:"hash" doc:"Hash of a second password or API key of the client, which is accepted as well, for a change without a gap. Not the same as hash."`
	Level    ClientLevel `yaml:"level" rule:"required" doc:"Scope of the client: everything, its tenant, or its group."`
	TenantID string      `yaml:"tenant_id" rule:"platform_id" doc:"Tenant of the client; for levels tenant and group only, which need it."`
	GroupID  string      `yaml:"group_id" rule:"platform_id" doc:"Group of the client; for level group only, which needs it."`
	Limit    CallerLimit `yaml:"limit" doc:"Limit of the requests of this client, instead of http.caller_limit."`
	Weight   int         `yaml:"weight" rule:"optional,1..100" doc:"Share of the sessions with the platform that the client gets while callers want more than there are, in comparison with the others: with 3, three times as much as a caller with 1. 0 is 1, as each user has."`
	Sessions int         `yaml:"max_sessions" rule:"optional,1..1000" doc:"Most sessions with the platform that the client may use at a time, not more than platform.pool.max; 0 if there is no limit besides that."`
}

// ClientLevel is the scope of a client.
type ClientLevel string

// The levels of a client. System has no tenant, tenant has a tenant, group has
// a tenant and a group.
const (
	LevelSystem ClientLevel = "system"
	LevelTenant ClientLevel = "tenant"
	LevelGroup  ClientLevel = "group"
)

func (ClientLevel) choices() []string { return names(LevelSystem, LevelTenant, LevelGroup) }

// validateSessions checks that no limit of the sessions of a caller is above that of all.
func (l *loader) validateSessions(c *Config) {
	most := c.Platform.Pool.Max
	reason := fmt.Sprintf("must not be more than platform.pool.max, which is %d", most)
	l.conflict(c.Platform.Pool.UserSessions > most, reason, "platform.pool.user_max_sessions", "platform.pool.max")
	for i, client := range c.Auth.Clients {
		l.conflict(client.Sessions > most, reason, join(entry("auth.clients", i), "max_sessions"), "platform.pool.max")
	}
}
