package translate

import "ocigate/translate/errcode"

// maxCredentialLength is more than the platform takes, in characters.
const maxCredentialLength = 256

// DecodeLogin reads the body of a login: {"username":"…","password":"…"}, as
// strictly as any other. Its error is an [*errcode.Error] that tells everything
// that is wrong.
func DecodeLogin(body []byte) (username, password string, err error) {
	if err := checkEncoding(body, nil); err != nil {
		return "", "", err
	}
	if kindOf(body) != "an object" {
		return "", "", &errcode.Error{Code: errcode.BadMediaType, Message: notAnObject}
	}
	var found findings
	fields := found.body(body, []string{"username", "password"}, nil)
	username = found.text(fields["username"], "/username", maxCredentialLength)
	password = found.text(fields["password"], "/password", maxCredentialLength)
	return username, password, found.err()
}
