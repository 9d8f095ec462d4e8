package translate

// maxCredentialLength is more than the platform takes, in characters.
const maxCredentialLength = 256

// LoginShape is the body of a login.
var LoginShape = &Shape{Fields: []Field{
	{Key: "username", Kind: Text, Min: 1, Max: maxCredentialLength, Example: "groupadmin"},
	{Key: "password", Kind: Text, Min: 1, Max: maxCredentialLength},
}}

// DecodeLogin reads the body of a login: {"username":"…","password":"…"}, as
// strictly as any other. Its error is an [*errcode.Error] that names everything
// that is wrong.
func DecodeLogin(body []byte) (username, password string, err error) {
	in, err := LoginShape.Decode(body)
	if err != nil {
		return "", "", err
	}
	return in.Text("username"), in.Text("password"), nil
}
