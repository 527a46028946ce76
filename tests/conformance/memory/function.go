package main

func handler(data map[string]interface{}, context map[string]interface{}) (string, error) {
	kept := [][]byte{}
	for i := 0; i < int(data["mb"].(float64)); i++ {
		block := make([]byte, 1<<20)
		for j := range block {
			block[j] = 1
		}
		kept = append(kept, block)
	}
	if len(kept) == 0 {
		return "odd", nil
	}
	return "fine", nil
}
