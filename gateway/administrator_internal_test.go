package gateway

import (
	"testing"

	"ocigate/gateway/auth"
	"ocigate/oci"
)

// Only what the platform says in so many words gives rights.
func TestRightsInTheProfileOfAnAdministrator(t *testing.T) {
	for _, c := range []struct {
		loginType, content string
		want               auth.Rights
		fails              bool
	}{
		{"System", "<adminType>System</adminType><readOnly>false</readOnly>", auth.AllRights, false},
		{"Provisioning", "<readOnly>true</readOnly>", auth.ReadingOnly, false},
		{"System", "<adminType>System</adminType>", auth.NoRights, true},
		{"System", "<readOnly/>", auth.NoRights, true},
		{"System", "<readOnly>no</readOnly>", auth.NoRights, true},
		{"System", "<readOnly>false</readOnly><readOnly>true</readOnly>", auth.NoRights, true},
		{"Service Provider", "<administratorType>Normal</administratorType>", auth.AllRights, false},
		{"Service Provider", "<administratorType>Customer</administratorType>", auth.ReadingOnly, false},
		{"Service Provider", "<administratorType>Password Reset Only</administratorType>", auth.NoRights, false},
		{"Service Provider", "<administratorType>normal</administratorType>", auth.NoRights, true},
		{"Service Provider", "<administratorType/>", auth.NoRights, true},
		{"Service Provider", "", auth.NoRights, true},
		{"Service Provider", "<administratorType>Normal</administratorType><administratorType>Customer</administratorType>", auth.NoRights, true},
	} {
		replies, err := oci.ParseReplies([]byte(`<?xml version="1.0" encoding="UTF-8"?><BroadsoftDocument protocol="OCI" xmlns="C" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
			`<sessionId xmlns="">s</sessionId><command xsi:type="Response" xmlns="">` + c.content + `</command></BroadsoftDocument>`))
		if err != nil {
			t.Fatal(err)
		}
		got, err := profiles[c.loginType].rights(replies[0])
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%s %s: rights %d, error %v", c.loginType, c.content, got, err)
		}
	}
}
