// Program clients runs the AWS SDK for Go v2 and minio-go against Shoal, and writes one line a step.
package main

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
)

const oddKey = "a key/with ünïcødé = + // & <odd> 'quotes'?#.txt"

func endpoints() []string {
	return strings.Split(os.Getenv("SHOAL_ENDPOINTS"), ",")
}

func endpoint(turn int) string {
	all := endpoints()
	return all[turn%len(all)]
}

func step(title string, work func() error) {
	if err := work(); err != nil {
		fmt.Printf("FAIL %s\t%s\n", title, strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	fmt.Printf("ok %s\n", title)
}

// bytesOf gives the same bytes for the same seed.
func bytesOf(seed uint32, size int) []byte {
	out := make([]byte, size)
	state := seed*2654435761 + 1
	for i := range out {
		state = state*1664525 + 1013904223
		out[i] = byte(state >> 24)
	}
	return out
}

func same(what string, reader io.ReadCloser, expected []byte) error {
	defer reader.Close()
	got, err := io.ReadAll(reader)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if !bytes.Equal(got, expected) {
		return fmt.Errorf("%s: %d other bytes, expected %d", what, len(got), len(expected))
	}
	return nil
}

func fetch(method, url string, body []byte) (int, []byte, error) {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer reply.Body.Close()
	got, err := io.ReadAll(reply.Body)
	return reply.StatusCode, got, err
}

// onlyReader can't be read twice.
type onlyReader struct{ io.Reader }

// postForm posts a form with a file, as a browser would.
func postForm(url string, fields map[string]string, file []byte) (int, []byte, error) {
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	for name, value := range fields {
		if err := writer.WriteField(name, value); err != nil {
			return 0, nil, err
		}
	}
	part, err := writer.CreateFormFile("file", "a b.txt")
	if err != nil {
		return 0, nil, err
	}
	part.Write(file)
	writer.Close()
	reply, err := http.Post(url, writer.FormDataContentType(), &form)
	if err != nil {
		return 0, nil, err
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	return reply.StatusCode, body, err
}

func main() {
	awsSuite()
	minioSuite()
	fmt.Println("done")
}
