package main

import (
	"ocigate/config"
	"ocigate/gateway"
)

// corsOptions returns the pages of other origins that may use the API.
func corsOptions(c config.CORS) gateway.CORS {
	o := gateway.CORS{Credentials: c.Credentials, MaxAge: c.MaxAge}
	for _, origin := range c.Origins {
		o.Origins = append(o.Origins, string(origin))
	}
	return o
}

// callerLimits returns the limits of the requests of callers.
func callerLimits(c *config.Config) gateway.CallerLimits {
	o := gateway.CallerLimits{Each: gateway.CallerLimit(c.HTTP.CallerLimit), Clients: map[string]gateway.CallerLimit{}}
	for _, client := range c.Auth.Clients {
		if client.Limit.PerSecond > 0 {
			o.Clients[client.ID] = gateway.CallerLimit(client.Limit)
		}
	}
	return o
}

// sessionShares returns the shares of callers in the sessions with the platform.
func sessionShares(c *config.Config) gateway.SessionShares {
	s := gateway.SessionShares{Users: gateway.SessionShare{Max: c.Platform.Pool.UserSessions}, Clients: map[string]gateway.SessionShare{}}
	for _, client := range c.Auth.Clients {
		s.Clients[client.ID] = gateway.SessionShare{Weight: client.Weight, Max: client.Sessions}
	}
	return s
}
